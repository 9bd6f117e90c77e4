"""The default energy: what must hold whatever the table and the settings."""

import numpy as np
import pytest
import torch

from ebmood.detector.robust_scaler import MAX_SPAN, RobustScaler
from ebmood.detector.fitting import fit_score_model
from ebmood.detector.score_model import EnergySettings, ScoreModel

SETTINGS = {
    "all": EnergySettings(steps=20, members=1, hidden=(16,), sigmas=(0.1, 1.0), components=3),
    "mean": EnergySettings(
        steps=20, members=1, hidden=(16,), sigmas=(0.1, 1.0), components=3, combine="mean"
    ),
    "base": EnergySettings(components=3, denoising=False, contrast=False),
    "wild": EnergySettings(steps=20, members=1, hidden=(8,), sigmas=(50.0,), floor=1e4, lr=0.3, components=1),
}


def score(model: ScoreModel, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(np.asarray(x, dtype=np.float64))).numpy()


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    """RobustScaler of every unpleasant kind."""
    x = rng.normal(size=(90, 6))
    x[:, 1] = rng.integers(0, 3, 90)
    x[:, 2] = np.exp(3 * x[:, 2])
    x[:, 3] = 7.0
    x[:, 4] = (rng.random(90) < 0.05) * 1e6
    x[:, 5] = 1e9 + 1e-3 * x[:, 0]
    return np.concatenate([x, x[:20]])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize("name", SETTINGS)
def test_a_thousand_ranges_away_never_scores_above_the_median_row(name: str, rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS[name], seed=0)
    median = np.median(score(model, rows))
    extent = np.ptp(rows, axis=0)
    for column in range(6):
        far = rows.copy()
        far[:, column] += 1e3 * (extent[column] or 1.0)
        assert score(model, far).max() < median, column
    assert score(model, rows - 1e3 * extent).max() < median


@pytest.mark.parametrize("name", SETTINGS)
def test_every_finite_row_has_a_finite_score(name: str, rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS[name], seed=0)
    for value in (0.0, 1e15, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324):
        assert np.isfinite(score(model, np.full((1, 6), value))).all()


@pytest.mark.parametrize(
    "x",
    [
        np.array([[1.0], [2.0]]),
        np.zeros((2, 3)),
        np.full((40, 2), 1e300),
        np.array([[-1.7e308], [1.7e308], [0.0]]),
        np.array([[1e-300], [2e-300], [5e-300]]),
        np.repeat([[0.0, 1.0]], 30, axis=0) * np.arange(30)[:, None],
        np.random.default_rng(1).standard_t(0.5, size=(60, 3)),
        np.random.default_rng(1).normal(size=(5, 120)),
    ],
)
def test_awkward_tables_give_finite_scores(x: np.ndarray) -> None:
    model = fit_score_model(x, SETTINGS["all"], seed=0)
    assert np.isfinite(score(model, x)).all()
    assert np.isfinite(score(model, np.clip(x, -1e307, 1e307) * 3 + 1)).all()


def test_a_column_that_never_moved_raises_the_alarm_when_it_does(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    moved = rows.copy()
    moved[:, 3] += 7.0
    assert score(model, moved).max() < np.quantile(score(model, rows), 0.1)


def test_columns_keep_order_and_the_middle(rng: np.random.Generator) -> None:
    x = rng.normal(size=(500, 1)) * 4 + 100
    columns = RobustScaler(1).fit(x)
    grid = torch.tensor([-1e300, -1e9, 0.0, 90.0, 100.0, 104.0, 110.0, 1e9, 1e300], dtype=torch.float64)
    bent = columns(grid[:, None])[:, 0]
    assert (bent.diff() >= 0).all()
    assert bent[4:6].tolist() == pytest.approx([0.0, 1.0], abs=0.1)
    z = columns(torch.from_numpy(x))
    assert float(z.mean()) == pytest.approx(0, abs=0.02)
    span = np.ptp(x) / x.std()
    assert float(z.std()) == pytest.approx(
        MAX_SPAN / span, abs=0.02
    )  # 500 normal numbers span 7 of their deviations


def test_one_huge_value_does_not_flatten_its_column(rng: np.random.Generator) -> None:
    x = rng.normal(size=(500, 1))
    x[0] = 1e12
    z = RobustScaler(1).fit(x)(torch.from_numpy(x[1:]))
    assert float(z.std()) > 0.3


def test_a_blank_model_with_the_state_scores_the_same_to_the_bit(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    again = ScoreModel(model.settings, 6)
    again.load_state_dict(model.state_dict())
    assert (score(model, rows) == score(again, rows)).all()


def test_the_most_alarmed_energy_decides(rows: np.ndarray) -> None:
    """Whatever the rows, in the default; the mean lies between."""
    x = torch.from_numpy(np.concatenate([rows, rows * 1.3, rows[::-1] - 5]))
    with torch.no_grad():
        largest = fit_score_model(rows, SETTINGS["all"].updated(contrast=True), seed=0).component_scores(x)
        mean = fit_score_model(rows, SETTINGS["mean"].updated(contrast=True), seed=0).component_scores(x)
    each = torch.stack([largest[name] for name in ("base", "denoising", "contrast")])
    torch.testing.assert_close(largest["combined"], each.amin(0))
    torch.testing.assert_close(mean["combined"], each.mean(0))


def test_fitting_works_where_the_caller_switched_gradients_off(rows: np.ndarray) -> None:
    with torch.no_grad():
        off = fit_score_model(rows, SETTINGS["all"], seed=0)
    assert (score(off, rows) == score(fit_score_model(rows, SETTINGS["all"], seed=0), rows)).all()


def test_a_seed_fixes_the_fit(rows: np.ndarray) -> None:
    scores = [score(fit_score_model(rows, SETTINGS["all"], seed), rows) for seed in (3, 3, 4)]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_structure_that_no_single_column_shows_is_found(rng: np.random.Generator) -> None:
    # A ring: its middle is empty, though every coordinate there is the commonest.
    angle = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(600, 2))
    model = fit_score_model(ring, SETTINGS["all"].updated(components=12, steps=100), seed=0)
    middle = 0.2 * rng.normal(size=(200, 2))
    for name, values in model.component_scores(torch.from_numpy(middle)).items():
        inside = model.component_scores(torch.from_numpy(ring))[name]
        assert values.quantile(0.9) < inside.quantile(0.05), name


def test_with_labels_classes_are_told_apart(rng: np.random.Generator) -> None:
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 4)) + 3 * np.eye(4)[y]
    model = fit_score_model(x, SETTINGS["all"], seed=0, y=y, gamma=1.0)
    with torch.no_grad():
        scores = model.class_scores(torch.from_numpy(x))
    assert scores.shape == (300, 3)
    assert (scores.argmax(1).numpy() == y).mean() > 0.9


def test_the_graph_does_not_depend_on_the_rows(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    example = (torch.from_numpy(rows[:7]),)
    program = torch.export.export(model, example, dynamic_shapes={"x": {0: torch.export.Dim("rows")}})
    wide = torch.from_numpy(np.concatenate([rows, 1e6 * rows]))
    torch.testing.assert_close(program.module()(wide), model(wide))


@pytest.mark.parametrize(("classes", "each"), [(0, 192), (4, 192), (10, 77), (100, 8)])
def test_many_classes_share_the_components(classes: int, each: int) -> None:
    assert len(ScoreModel(EnergySettings(), 3, classes).base.log_weights) == each * max(classes, 1)
