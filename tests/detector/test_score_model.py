"""The default energy: properties that hold for any table and any settings."""

import numpy as np
import pytest
import torch
from helpers.awkward_rows import SETTINGS, awkward_rows, score

from ebmood.detector.fitting import fit_score_model
from ebmood.detector.score_model import EnergySettings, ScoreModel


@pytest.fixture
def rows() -> np.ndarray:
    return awkward_rows()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_row_a_thousand_ranges_away_scores_below_the_median(name: str, rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS[name], seed=0)
    median = np.median(score(model, rows))
    extent = np.ptp(rows, axis=0)
    for column in range(6):
        distant = rows.copy()
        distant[:, column] += 1e3 * (extent[column] or 1.0)
        assert score(model, distant).max() < median, column
    assert score(model, rows - 1e3 * extent).max() < median


@pytest.mark.parametrize("name", SETTINGS)
def test_every_finite_row_has_a_finite_score(name: str, rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS[name], seed=0)
    for value in (0.0, 1e15, 1e300, -1e300, 1.7e308, -1.7e308, 5e-324):
        assert np.isfinite(score(model, np.full((1, 6), value))).all()


def test_a_change_in_a_constant_column_lowers_the_score(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    changed = rows.copy()
    changed[:, 3] += 7.0
    assert score(model, changed).max() < np.quantile(score(model, rows), 0.1)


def test_a_new_model_with_the_same_state_has_equal_scores(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    copy = ScoreModel(model.settings, 6)
    copy.load_state_dict(model.state_dict())
    assert (score(model, rows) == score(copy, rows)).all()


def test_the_energy_with_the_largest_z_score_decides(rows: np.ndarray) -> None:
    """By default. With `combine="mean"` the mean of the scores decides."""
    x = torch.from_numpy(np.concatenate([rows, rows * 1.3, rows[::-1] - 5]))
    with torch.no_grad():
        largest = fit_score_model(rows, SETTINGS["all"].updated(contrast=True), seed=0).component_scores(x)
        mean = fit_score_model(rows, SETTINGS["mean"].updated(contrast=True), seed=0).component_scores(x)
    scores = torch.stack([largest[name] for name in ("base", "denoising", "contrast")])
    torch.testing.assert_close(largest["combined"], scores.amin(0))
    torch.testing.assert_close(mean["combined"], scores.mean(0))


def test_structure_that_no_single_column_shows_is_learned() -> None:
    # The middle of a ring is empty, although each coordinate there is the most frequent one.
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(600, 2))
    model = fit_score_model(ring, SETTINGS["all"].updated(components=12, steps=100), seed=0)
    middle = 0.2 * rng.normal(size=(200, 2))
    on_ring = model.component_scores(torch.from_numpy(ring))
    for name, scores in model.component_scores(torch.from_numpy(middle)).items():
        assert scores.quantile(0.9) < on_ring[name].quantile(0.05), name


def test_class_scores_separate_the_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 4)) + 3 * np.eye(4)[y]
    model = fit_score_model(x, SETTINGS["all"], seed=0, y=y, gamma=1.0)
    with torch.no_grad():
        scores = model.class_scores(torch.from_numpy(x))
    assert scores.shape == (300, 3)
    assert (scores.argmax(1).numpy() == y).mean() > 0.9


def test_the_computation_graph_does_not_depend_on_the_rows(rows: np.ndarray) -> None:
    model = fit_score_model(rows, SETTINGS["all"], seed=0)
    example = (torch.from_numpy(rows[:7]),)
    program = torch.export.export(model, example, dynamic_shapes={"x": {0: torch.export.Dim("rows")}})
    x = torch.from_numpy(np.concatenate([rows, 1e6 * rows]))
    torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.parametrize(("classes", "components"), [(0, 192), (4, 192), (10, 77), (100, 8)])
def test_many_classes_have_fewer_components_each(classes: int, components: int) -> None:
    model = ScoreModel(EnergySettings(), 3, classes)
    assert len(model.base.log_weights) == components * max(classes, 1)
