"""Fitting works on any table, is reproducible, and reports its progress."""

import numpy as np
import pytest
import torch
from helpers.awkward_rows import SETTINGS, awkward_rows, score

from ebmood.detector.fitting import fit_score_model


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


def test_fitting_works_if_the_caller_disabled_gradients() -> None:
    rows = awkward_rows()
    with torch.no_grad():
        without = fit_score_model(rows, SETTINGS["all"], seed=0)
    assert (score(without, rows) == score(fit_score_model(rows, SETTINGS["all"], seed=0), rows)).all()


def test_the_seed_determines_the_fit() -> None:
    rows = awkward_rows()
    scores = [score(fit_score_model(rows, SETTINGS["all"], seed), rows) for seed in (3, 3, 4)]
    assert (scores[0] == scores[1]).all()
    assert (scores[0] != scores[2]).any()


def test_progress_rises_to_all_steps_of_all_networks() -> None:
    calls = []
    settings = SETTINGS["all"].updated(contrast=True)
    fit_score_model(
        awkward_rows(), settings, seed=0, progress=lambda step, steps: calls.append((step, steps))
    )
    steps = [step for step, _ in calls]
    assert steps == sorted(steps)
    assert calls[-1] == (40, 40)
    assert {total for _, total in calls} == {40}
