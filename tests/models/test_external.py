"""Detectors of other libraries have the interface and the sign of this package."""

import sys
import types

import numpy as np
import pytest
from helpers.splits import moons_split

from ebmood.core.errors import EbmoodError
from ebmood.models import ExternalDetector


@pytest.fixture(scope="module")
def split():
    return moons_split(300)


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.mixture.GaussianMixture",
        "sklearn.ensemble.IsolationForest",
        "sklearn.svm.OneClassSVM",
        "sklearn.covariance.EllipticEnvelope",
        "ebmood.models.knn.KNearestNeighbours",
    ],
)
def test_test_rows_have_higher_scores_than_distant_rows(path, split):
    scorer = ExternalDetector(detector=path).fit(split, seed=0)
    inside, outside = scorer.score_samples(split.test_x), scorer.score_samples(split.test_x + 50)
    assert inside.dtype == np.float64
    assert inside.min() > outside.max()


def test_the_sign_of_pyod_is_reversed(split, monkeypatch):
    """PyOD scores outliers high. The test uses a class in a fake module `pyod.models.distance`."""

    class Distance:
        def fit(self, X):
            self.centre = X.mean(0)

        def decision_function(self, X):
            return np.linalg.norm(X - self.centre, axis=1)

    module = types.ModuleType("pyod.models.distance")
    Distance.__module__ = module.__name__
    module.Distance = Distance
    for name in ("pyod", "pyod.models", "pyod.models.distance"):
        monkeypatch.setitem(sys.modules, name, module)
    scorer = ExternalDetector(detector="pyod.models.distance.Distance").fit(split, seed=0)
    assert scorer.score_samples(split.test_x).min() > scorer.score_samples(split.test_x + 50).max()


def test_the_seed_is_passed_to_detectors_with_a_random_state(split):
    forest = ExternalDetector(detector="sklearn.ensemble.IsolationForest", parameters={"n_estimators": 5})
    scores = [forest.fit(split, seed).score_samples(split.test_x) for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_a_random_state_among_the_parameters_replaces_the_seed():
    forest = ExternalDetector(detector="sklearn.ensemble.IsolationForest", parameters={"random_state": 7})
    assert forest.make(seed=0).random_state == 7


@pytest.mark.parametrize(
    ("path", "parameters", "message"),
    [
        ("sklearn.mixture.GausianMixture", {}, "cannot be imported"),
        ("no.such.module.Thing", {}, "cannot be imported"),
        ("GaussianMixture", {}, "cannot be imported"),
        ("sklearn.preprocessing.StandardScaler", {}, "does not have fit and score_samples"),
        ("sklearn.mixture", {}, "does not have fit and score_samples"),
        ("sklearn.mixture.GaussianMixture", {"n_clusters": 3}, "takes no parameter 'n_clusters'"),
    ],
)
def test_a_detector_that_cannot_be_used_is_an_error_of_one_line(path, parameters, message, split):
    with pytest.raises(EbmoodError, match=message) as error:
        ExternalDetector(detector=path, parameters=parameters).fit(split, seed=0)
    assert "\n" not in str(error.value)
