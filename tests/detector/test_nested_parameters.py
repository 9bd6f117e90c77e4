"""Nested parameters and the score of `EnergyDetector` in the tools of scikit-learn."""

import warnings

import numpy as np
import pytest
from helpers.quick_energy import QUICK
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ebmood import EnergyDetector, EnergySettings, InputError


def test_parameters_have_nested_names_that_can_be_set():
    detector = EnergyDetector(energy=QUICK)
    parameters = detector.get_params()
    assert parameters["energy__memory__neighbours"] == 5
    assert parameters["energy__views"] == QUICK.views
    assert "energy__rows" not in detector.get_params(deep=False)
    detector.set_params(energy__memory__neighbours=9, energy__rows=100, alpha=0.2)
    expected = QUICK.updated(rows=100, memory=QUICK.memory.updated(neighbours=9))
    assert (detector.energy, detector.alpha) == (expected, 0.2)
    assert QUICK.rows == 64, "the settings that were given are not changed"
    assert EnergyDetector().set_params(**detector.get_params()).get_params() == detector.get_params()


def test_fields_of_no_settings_are_those_of_the_default():
    detector = EnergyDetector().set_params(energy__deciding=3)
    assert detector.energy == EnergySettings(deciding=3)


def test_a_clone_is_equal_and_independent():
    detector = EnergyDetector(energy=QUICK, segment=0)
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    copy.set_params(energy__rows=10)
    assert detector.energy == QUICK


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"energy__neighbours": 3},
            "energy__neighbours: EnergySettings has no field 'neighbours'; the fields",
        ),
        ({"energy__rows": 0}, "energy__rows=0: .*greater than or equal to 2"),
        ({"energy__rows__x": 0}, "energy__rows__x: 'rows' has no fields; set energy__rows"),
        ({"enrgy__rows": 3}, "Invalid parameter 'enrgy'"),
    ],
)
def test_a_wrong_name_or_value_is_an_error(parameters, message):
    with pytest.raises(ValueError, match=message):
        EnergyDetector(energy=QUICK).set_params(**parameters)


@pytest.fixture(scope="module")
def labelled(benign, malignant) -> tuple[np.ndarray, np.ndarray]:
    """Benign rows and a few malignant ones, which are marked by -1."""
    x = np.concatenate([benign, malignant[:30]])
    return x, np.repeat([1, -1], [len(benign), 30])


def test_the_score_is_the_auroc_for_both_kinds_of_labels(fitted, labelled):
    x, y = labelled
    expected = roc_auc_score(y == 1, fitted.score_samples(x))
    assert fitted.score(x, y) == expected
    assert fitted.score(x, (y == -1).astype(int)) == expected
    assert fitted.score(x, y == -1) == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "needs y"),
        ([1] * 387, "all 387 rows of y are normal rows.*StratifiedKFold"),
        ([0] * 387, "are normal rows"),
        ([-1] * 387, "are outliers"),
        ([-1, 0] + [1] * 385, "1 and -1 for normal rows and outliers, or 0 and 1"),
        (["a"] * 387, "one number for each"),
        ([1, -1], "one number for each of the 387 rows"),
    ],
)
def test_labels_without_a_meaning_are_errors(fitted, labelled, labels, message):
    with pytest.raises(InputError, match=message) as error:
        fitted.score(labelled[0], labels)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
def test_a_grid_search_over_nested_parameters_runs_in_processes(labelled):
    x, y = labelled
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    pipeline = make_pipeline(StandardScaler(), EnergyDetector(energy=QUICK, random_state=0))
    grid = GridSearchCV(pipeline, {"energydetector__energy__memory__neighbours": [2, 30]}, cv=folds, n_jobs=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        grid.fit(x, y)
    best = grid.best_params_["energydetector__energy__memory__neighbours"]
    assert grid.best_estimator_[-1].energy.memory.neighbours == best
    scores = cross_val_score(grid.best_estimator_, x, y, cv=folds)
    assert scores.mean() == pytest.approx(grid.best_score_)
    assert scores.mean() > 0.8


def test_the_score_of_a_supervised_detector_is_refused(benign):
    with pytest.raises(InputError, match="holds classes"):
        EnergyDetector(supervised=True).score(benign, np.ones(len(benign)))
