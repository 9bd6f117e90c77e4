"""Fitting works on any table, is reproducible, and returns leave-one-out scores."""

import numpy as np
import pytest
import torch
from helpers.awkward_rows import SETTINGS, awkward_rows, fit, score

from ebmood.detector.energy.fitting import _excess_left_out, _set_ranges, fit_score_model
from ebmood.detector.energy.score_model import EnergySettings


@pytest.mark.parametrize("name", SETTINGS)
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
        np.where(np.random.default_rng(1).random((50, 4)) < 0.5, np.nan, 1.0),
        np.array([[np.nan, 1.0], [np.nan, 2.0], [np.nan, 3.0]]),
    ],
)
def test_awkward_tables_give_finite_scores(x: np.ndarray, name: str) -> None:
    fitted = fit_score_model(x, SETTINGS[name], seed=0)
    assert np.isfinite(fitted.scores).all()
    assert np.isfinite(score(fitted.model, x)).all()
    assert np.isfinite(score(fitted.model, np.clip(x, -1e307, 1e307) * 3 + 1)).all()
    assert np.isfinite(score(fitted.model, np.full_like(x, np.nan))).all()


def test_the_seed_determines_the_sample_of_rows() -> None:
    rows = awkward_rows()
    scores = [score(fit(rows, SETTINGS["thinned"], seed), rows) for seed in (3, 3, 4)]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_a_leave_one_out_score_is_that_of_a_fit_without_the_row_if_the_views_do_not_change() -> None:
    """The extreme values of a column, its ranks and the bandwidths depend on a row in the middle very little."""
    x = np.random.default_rng(0).normal(size=(400, 3))
    settings = EnergySettings(views=("min-max",))
    scores = fit_score_model(x, settings, seed=0).scores
    middle = np.argsort(np.abs(x).max(axis=1))[:20]
    without = [score(fit(np.delete(x, row, axis=0), settings), x[row : row + 1])[0] for row in middle]
    np.testing.assert_allclose(scores[middle], without, atol=0.1)


@pytest.mark.parametrize("features", [False, True])
def test_the_excess_of_a_row_is_over_the_ranges_of_the_other_rows(features: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_cauchy(size=(25, 5)) ** 3 * (1.0 if features else np.array([1.0, 1e3, 1e-3, 1e6, 1.0]))
    x[:, 3] = 0.0
    x[7, 3] = 50.0  # the other rows are constant
    x[:, 4] = np.clip(x[:, 4], None, np.sort(x[:, 4])[-3])  # several rows have the highest value
    model = fit(x, EnergySettings())
    _set_ranges(model, x, features, 0.0)
    excess = _excess_left_out(model, x, features, 0.0)
    expected = []
    for row in range(len(x)):
        _set_ranges(model, np.delete(x, row, axis=0), features, 0.0)
        expected.append(float(model.excess(torch.from_numpy(x[row : row + 1]))))
    assert (excess > 0).sum() >= (1 if features else 3)
    np.testing.assert_allclose(excess, expected, rtol=1e-9)


def test_a_row_in_memory_scores_lower_when_it_is_left_out() -> None:
    x = np.random.default_rng(0).normal(size=(300, 3))
    fitted = fit_score_model(x, EnergySettings(), seed=0)
    assert (fitted.scores <= score(fitted.model, x) + 1e-9).all()


def test_a_sample_keeps_rows_of_every_class() -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(2000) % 50 == 0).astype(np.intp)  # 40 rows of class 1
    fitted = fit_score_model(rng.normal(size=(2000, 2)), EnergySettings(rows=200), seed=0, y=y)
    assert fitted.model.layout.rows == (196, 40)
