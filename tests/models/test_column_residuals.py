import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import roc_auc_score

from ebmood.models import column_residuals
from ebmood.models.column_residuals import ColumnResiduals, leave_one_out_quantiles


def correlated(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(
        rng.normal(size=(rows, columns)) @ rng.normal(size=(columns, columns)) + rng.normal(size=columns)
    )


def no_groups(rows: int) -> torch.Tensor:
    return torch.zeros((rows, 0), dtype=torch.int64)


@pytest.fixture
def without_ridge(monkeypatch: pytest.MonkeyPatch):
    def remove(rows: int) -> None:
        monkeypatch.setattr(column_residuals, "RIDGE", -2 / rows)

    return remove


def test_the_length_of_a_number_is_its_residual_in_a_regression_on_the_others(without_ridge) -> None:
    x, new = correlated(80, 4).numpy(), correlated(10, 4, seed=1).numpy()
    without_ridge(80)
    residuals = ColumnResiduals(4, ())
    residuals.fit(torch.from_numpy(x), no_groups(80))
    lengths = residuals.lengths(torch.from_numpy(new), no_groups(10)).numpy()
    for column in range(4):
        others = np.delete(np.arange(4), column)
        regression = LinearRegression().fit(x[:, others], x[:, column])
        deviation = (x[:, column] - regression.predict(x[:, others])).std()
        expected = np.abs(new[:, column] - regression.predict(new[:, others])) / deviation
        np.testing.assert_allclose(lengths[:, column], expected, rtol=1e-8)


def test_the_length_of_a_category_is_the_mahalanobis_distance_of_the_residuals_of_its_indicators(
    without_ridge,
) -> None:
    # A third of the rows has an unseen level, so that the indicators of the two groups are not collinear.
    numbers, groups = correlated(90, 3), torch.arange(90)[:, None] % 3
    without_ridge(90)
    residuals = ColumnResiduals(3, (2,))
    residuals.fit(numbers, groups)
    indicators = (groups == torch.arange(2)).double().numpy()
    difference = indicators - LinearRegression().fit(numbers, indicators).predict(numbers)
    inverse = np.linalg.inv(difference.T @ difference / 90)
    expected = np.sqrt(np.einsum("ni,ij,nj->n", difference, inverse, difference))
    np.testing.assert_allclose(residuals.lengths(numbers, groups)[:, 3], expected, rtol=1e-8)


def test_leave_one_out_lengths_are_those_of_a_fit_without_the_row(without_ridge, monkeypatch) -> None:
    numbers, groups = correlated(40, 3), torch.arange(40)[:, None] % 3
    without_ridge(40)
    residuals = ColumnResiduals(3, (2,))
    fitted = []
    monkeypatch.setattr(residuals, "_largest", lambda lengths, _: fitted.append(lengths))
    residuals.fit(numbers, groups)
    without_ridge(39)
    for row in range(0, 40, 7):
        others = torch.arange(40) != row
        fewer = ColumnResiduals(3, (2,))
        fewer.fit(numbers[others], groups[others])
        expected = fewer.lengths(numbers[row : row + 1], groups[row : row + 1])[0]
        torch.testing.assert_close(fitted[0][row], expected, rtol=1e-8, atol=1e-8)


def test_one_wrong_value_is_found_among_many_columns_that_have_no_part_in_it() -> None:
    rng = np.random.default_rng(0)

    def rows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        groups = rng.integers(0, 3, (count, 1))
        numbers = rng.normal(size=(count, 20))
        numbers[:, 0] = groups[:, 0] + 0.2 * rng.normal(size=count)
        return torch.from_numpy(numbers), torch.from_numpy(groups)

    residuals = ColumnResiduals(20, (3,))
    left_out = residuals.fit(*rows(500))
    normal, groups = rows(300)
    energies = residuals(normal, groups)
    assert left_out.shape == (2, 500)
    wrong = residuals(normal, (groups + 1) % 3)
    for energy, changed in zip(energies, wrong, strict=True):
        assert roc_auc_score(np.repeat([0, 1], 300), torch.cat([energy, changed])) > 0.95
    # The energies of new rows are distributed as those of training rows that are left out.
    assert abs(float((energies > left_out.quantile(0.9, dim=1, keepdim=True)).double().mean()) - 0.1) < 0.05


def test_columns_that_are_equal_must_stay_equal() -> None:
    numbers = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 1))).repeat(1, 2)
    residuals = ColumnResiduals(2, ())
    highest = residuals.fit(numbers, no_groups(200)).max()
    different = torch.tensor([[0.5, -0.5], [1.0, 0.2]], dtype=torch.float64)
    assert (residuals(different, no_groups(2)) > highest + 5).all()


@pytest.mark.parametrize(("rows", "columns"), [(2, 3), (10, 40), (60, 60), (50, 1)])
def test_energies_are_finite_for_few_rows_constant_columns_and_unseen_levels(rows: int, columns: int) -> None:
    numbers = correlated(rows, columns)
    numbers[:, 0] = 0.0
    groups = torch.zeros((rows, 2), dtype=torch.int64)
    groups[0, 0] = 1
    residuals = ColumnResiduals(columns, (2, 1))
    assert residuals.fit(numbers, groups).isfinite().all()
    assert residuals(numbers, groups + 1).isfinite().all()
    assert residuals(numbers + 100, groups).isfinite().all()


def test_without_numbers_there_is_one_energy() -> None:
    groups = torch.arange(100)[:, None].repeat(1, 2) % 4  # always equal
    residuals = ColumnResiduals(0, (4, 4))
    empty = torch.zeros((100, 0), dtype=torch.float64)
    left_out = residuals.fit(empty, groups)
    assert left_out.shape == (1, 100)
    different = residuals(empty[:4], torch.tensor([[0, 1], [1, 2], [2, 3], [3, 0]]))
    assert float(different.min()) > float(left_out.max())


def test_a_restored_model_has_equal_energies() -> None:
    numbers, groups = correlated(50, 3), torch.arange(50)[:, None] % 4
    residuals = ColumnResiduals(3, (4,))
    residuals.fit(numbers, groups)
    copy = ColumnResiduals(3, (4,))
    copy.load_state_dict(residuals.state_dict())
    assert (copy(numbers, groups) == residuals(numbers, groups)).all()


def test_quantiles_are_those_of_the_other_rows() -> None:
    values = correlated(23, 3)
    values[4] = values[9]
    levels = (0.0, 0.3, 0.5, 0.98, 1.0)
    result = leave_one_out_quantiles(values, levels)
    for row in range(23):
        others = values[torch.arange(23) != row]
        expected = others.quantile(torch.tensor(levels, dtype=torch.float64), dim=0)
        torch.testing.assert_close(result[:, row], expected)


@pytest.mark.parametrize(("rows", "columns"), [(40, 18), (100, 30), (300, 10)])
def test_as_many_new_rows_as_left_out_rows_have_high_energies(rows: int, columns: int) -> None:
    shares = []
    for seed in range(20):
        both = correlated(rows + 400, columns, seed)
        residuals = ColumnResiduals(columns, ())
        left_out = residuals.fit(both[:rows], no_groups(rows))[0]
        shares.append(
            float((residuals(both[rows:], no_groups(400))[0] > left_out.quantile(0.9)).double().mean())
        )
    assert abs(np.mean(shares) - 0.1) < 0.03
