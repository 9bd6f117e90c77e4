"""The default energy: properties that hold for any table and any settings."""

import numpy as np
import pytest
import torch
from helpers.awkward_rows import SETTINGS, awkward_rows, fit, score
from helpers.feature_rows import features
from sklearn.metrics import roc_auc_score

from ebmood.detector.energy.score_model import SPEEDS, EnergySettings, ScoreModel
from ebmood.models.memory import MemorySettings


@pytest.fixture
def rows() -> np.ndarray:
    return awkward_rows()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_a_thousand_ranges_away_scores_below_the_median(name: str, rows: np.ndarray) -> None:
    model = fit(rows, SETTINGS[name])
    median = np.median(score(model, rows))
    extent = np.ptp(rows, axis=0)
    for column in range(6):
        distant = rows.copy()
        distant[:, column] += 1e3 * (extent[column] or 1.0)
        assert score(model, distant).max() < median, column
    assert score(model, rows - 1e3 * extent).max() < median


@pytest.mark.parametrize("name", SETTINGS)
def test_every_finite_row_has_a_finite_score(name: str, rows: np.ndarray) -> None:
    model = fit(rows, SETTINGS[name])
    for value in (0.0, 1e15, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324):
        assert np.isfinite(score(model, np.full((1, 6), value))).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_new_model_with_the_same_state_has_equal_scores(name: str, rows: np.ndarray) -> None:
    model = fit(rows, SETTINGS[name])
    copy = ScoreModel(model.settings, model.layout)
    copy.load_state_dict(model.state_dict())
    assert (score(model, rows) == score(copy, rows)).all()


@pytest.mark.parametrize("name", SETTINGS)
def test_units_of_columns_do_not_matter(name: str, rows: np.ndarray) -> None:
    scale, shift = np.array([2.0, 0.5, 1e3, 1.0, 1e-6, 64.0]), np.array([1.0, 5.0, 0.0, 0.0, 0.0, 0.0])
    other = rows * scale + shift
    expected = score(fit(rows, SETTINGS[name]), rows)
    np.testing.assert_allclose(score(fit(other, SETTINGS[name]), other), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1.0, 1e6])
def test_the_unit_of_a_constant_column_does_not_change_the_score(unit: float) -> None:
    rng = np.random.default_rng(0)
    x, new = (np.c_[np.full(n, 2.0), rng.normal(5, 1, (n, 3)) * [1, 20, 500]] for n in (200, 50))
    new[:, 0] = 4.0
    scores = [
        score(fit(x * factor, EnergySettings()), new * factor)
        for factor in ([1.0] * 4, [unit, 1.0, 1.0, 1.0])
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-6)
    assert scores[0].max() < -5


def test_a_change_in_a_constant_column_lowers_the_score(rows: np.ndarray) -> None:
    model = fit(rows)
    changed = rows.copy()
    changed[:, 3] += 7.0
    assert score(model, changed).max() < np.quantile(score(model, rows), 0.1)


def test_the_two_largest_z_scores_decide(rows: np.ndarray) -> None:
    x = torch.from_numpy(rows)
    model = fit(rows)
    z = model.z_scores(x)[0]
    expected = -z.sort(dim=0).values[-2:].mean(0) - model.excess(model.columns.numbers(x))
    torch.testing.assert_close(model(x), expected)
    assert len(model.energy_names) == len(z) == 9


def test_energies_of_each_scale_are_those_of_a_model_with_that_number_of_neighbours(rows: np.ndarray) -> None:
    x, y = torch.from_numpy(rows), np.arange(len(rows)) % 2
    several = fit(rows, EnergySettings(further_neighbours=(12, 30)), y=y)
    z = dict(zip(several.energy_names, several.z_scores(x).swapaxes(0, 1), strict=True))
    for neighbours, suffix in ((5, ""), (12, ", 12 neighbours"), (30, ", 30 neighbours")):
        single = fit(rows, EnergySettings(memory=MemorySettings(neighbours=neighbours)), y=y)
        for name, expected in zip(single.energy_names, single.z_scores(x).swapaxes(0, 1), strict=True):
            if name == "largest residual":
                assert (z[name] == expected).all()
            else:
                assert (z.pop(name + suffix) == expected).all()
    assert list(z) == ["largest residual"]


def test_excess_counts_ranges_beyond_one_range_from_the_middle() -> None:
    model = fit(np.array([[0.0, 0.0], [10.0, 1.0], [5.0, 0.5]]))
    x = torch.tensor([[5.0, 0.5], [15.0, 0.5], [25.0, 0.5], [25.0, -2.5]], dtype=torch.float64)
    assert model.excess(x).tolist() == pytest.approx([0, 0, 1, 3])


def test_z_scores_of_left_out_training_rows_have_median_0_and_95th_percentile_1() -> None:
    x = np.random.default_rng(0).normal(size=(500, 3))
    settings = EnergySettings(views=("robust",), deciding=1)
    model = fit(x, settings)
    fresh = np.random.default_rng(1).normal(size=(4000, 3))
    z = model.z_scores(torch.from_numpy(fresh))[0]
    median, high = z.quantile(torch.tensor([0.5, 0.95], dtype=torch.float64), dim=1)
    torch.testing.assert_close(median, torch.zeros_like(median), atol=0.2, rtol=0)
    torch.testing.assert_close(high, torch.ones_like(high), atol=0.4, rtol=0)


def test_raw_columns_are_a_view_only_if_they_share_a_unit(rows: np.ndarray) -> None:
    pixels = np.random.default_rng(0).integers(0, 16, (200, 9)).astype(float)
    assert "raw" in fit(pixels).layout.views
    assert "raw" not in fit(rows).layout.views
    assert fit(pixels).layout.views == ("normal-scores", "raw", "whitened-raw")
    assert fit(pixels, EnergySettings(views=("min-max", "robust"))).layout.views == ("min-max", "robust")
    gap = pixels.copy()
    gap[0, 0] = np.nan
    assert "min-max" in fit(gap).layout.views  # the only view that takes gaps and categories


FOR_FEATURES = ("whitened-raw", "whitened-unit-length")


def test_features_of_a_network_have_views_of_their_own() -> None:
    x = features()
    assert fit(x).layout.views == FOR_FEATURES
    assert fit(x, SPEEDS["fast"]).layout.views == FOR_FEATURES
    assert fit(x, EnergySettings(views=("min-max", "unit-length"))).layout.views == ("unit-length",)


def test_other_tables_have_no_views_of_features() -> None:
    x, ordinary = features(), ("min-max", "robust", "normal-scores", "whitened-normal-scores")
    gap, category = x.copy(), x.copy()
    gap[:5, 0] = np.nan
    category[:, 0] = np.arange(60) % 3
    assert fit(gap).layout.views == ordinary
    assert fit(category, levels={0: 3}).layout.views == ordinary
    assert fit(x * np.logspace(0, 6, 90)).layout.views == ordinary
    assert (
        fit(x, EnergySettings(views=ordinary)).layout.views == ordinary
    )  # as in detectors of earlier versions


def test_far_features_have_low_finite_scores_and_a_restored_model_has_equal_scores() -> None:
    x = features()
    model = fit(x)
    far = x.copy()
    far[np.arange(60), np.arange(60)] += 1e3 * np.ptp(x)
    assert score(model, far).max() < score(model, x).min()
    for value in (0.0, 1e15, 1e300, -1e300, 1.7e308, 5e-324):
        assert np.isfinite(score(model, np.full((1, 90), value))).all()
    copy = ScoreModel(model.settings, model.layout)
    copy.load_state_dict(model.state_dict())
    assert (score(model, x) == score(copy, x)).all()


def test_a_feature_that_training_rows_hardly_have_counts_by_the_common_range() -> None:
    x = features()
    x[:, 0] = 0.0
    model = fit(x)
    row = torch.from_numpy(x[:1].copy())
    row[0, 0] = 0.9 * np.ptp(x)
    assert float(model.excess(row)) == 0
    row[0, 0] = 3.0 * np.ptp(x)
    assert float(model.excess(row)) == pytest.approx(2)


def test_other_directions_are_found_although_the_lengths_of_rows_vary() -> None:
    """As images of one class in different contrast: their features differ in length more than in direction."""
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(3, 90))

    def rows(count: int, noise: float) -> np.ndarray:
        x = (2 + rng.normal(size=(count, 3))) @ directions + noise * rng.normal(size=(count, 90))
        return x * np.exp(rng.normal(size=(count, 1)))

    x, test, y = rows(100, 0.5), np.concatenate([rows(200, 0.5), rows(200, 1.0)]), np.repeat([0, 1], 200)
    for view in ("unit-length", "whitened-unit-length"):
        assert roc_auc_score(y, -score(fit(x, EnergySettings(views=(view,))), test)) > 0.88
    assert roc_auc_score(y, -score(fit(x, EnergySettings(views=("robust",))), test)) < 0.75
    assert roc_auc_score(y, -score(fit(x), test)) > 0.85


def test_the_computation_graph_of_features_does_not_depend_on_the_rows() -> None:
    x = features()
    model = fit(x)
    example = (torch.from_numpy(x[:7]),)
    program = torch.export.export(model, example, dynamic_shapes={"x": {0: torch.export.Dim("rows")}})
    rows = torch.from_numpy(np.concatenate([x, 1e6 * x, 0 * x]))
    torch.testing.assert_close(program.module()(rows), model(rows))


def test_structure_that_no_single_column_shows_is_found() -> None:
    # The middle of a ring is empty, although each coordinate there is the most frequent one.
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(600, 2))
    model = fit(ring)
    middle = 0.2 * rng.normal(size=(200, 2))
    assert np.quantile(score(model, middle), 0.9) < np.quantile(score(model, ring), 0.05)


def test_class_scores_separate_the_classes_and_the_largest_is_the_score() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 4)) + 5 * np.eye(4)[y]
    model = fit(x, y=y)
    with torch.no_grad():
        scores = model.class_scores(torch.from_numpy(x))
    assert scores.shape == (300, 3)
    assert (scores.argmax(1).numpy() == y).mean() > 0.9
    assert (scores.amax(1).numpy() == score(model, x)).all()


def test_the_computation_graph_does_not_depend_on_the_rows(rows: np.ndarray) -> None:
    model = fit(rows)
    example = (torch.from_numpy(rows[:7]),)
    program = torch.export.export(model, example, dynamic_shapes={"x": {0: torch.export.Dim("rows")}})
    x = torch.from_numpy(np.concatenate([rows, 1e6 * rows]))
    torch.testing.assert_close(program.module()(x), model(x))


def mixed_rows(rng: np.random.Generator, count: int = 300) -> np.ndarray:
    """Return two numbers, a category of three levels with one that is rare, and a number with gaps."""
    x = rng.normal(size=(count, 4))
    x[:, 2] = rng.choice(3, count, p=[0.6, 0.39, 0.01])
    x[rng.random(count) < 0.2, 3] = np.nan
    return x


def test_a_gap_that_no_training_row_has_is_an_alarm_and_a_gap_that_some_have_is_not() -> None:
    x = mixed_rows(np.random.default_rng(0))
    model = fit(x, levels={2: 3})
    ordinary = np.array([[0.0, 0.0, 0.0, 0.0]])
    new_gap, known_gap = ordinary.copy(), ordinary.copy()
    new_gap[0, 0], known_gap[0, 3] = np.nan, np.nan
    assert score(model, new_gap)[0] < score(model, x).min()
    assert score(model, known_gap)[0] > np.quantile(score(model, x), 0.2)


def test_an_unseen_level_is_the_strangest_and_rare_levels_are_equal() -> None:
    rng = np.random.default_rng(0)
    x = mixed_rows(rng)
    x[x[:, 2] == 2, 2] = 0.0
    x[:3, 2], x[3:6, 2] = 2.0, 3.0  # two rare levels
    model = fit(x, levels={2: 4})
    one = np.array([[0.0, 0.0, level, 0.0] for level in (0, 1, 2, 3, 4)])
    frequent, other, rare, rare2, unseen = score(model, one)
    assert min(frequent, other) > rare == rare2 > unseen
