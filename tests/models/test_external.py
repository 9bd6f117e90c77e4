import sys
import types

import numpy as np
import pytest

from ebmood.core.errors import EbmoodError
from ebmood.data import Toy, split_dataset
from ebmood.models import ExternalDetector, KNearestNeighbours


@pytest.fixture(scope="module")
def split():
    return split_dataset(Toy(shape="moons", rows=300).load(), seed=0)


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
def test_rates_training_rows_above_far_ones(path, split):
    scorer = ExternalDetector(detector=path).fit(split, seed=0)
    near, far = scorer.score_samples(split.test_x), scorer.score_samples(split.test_x + 50)
    assert near.dtype == np.float64
    assert near.min() > far.max()


def test_turns_pyods_sign_round(split, monkeypatch):
    """PyOD scores outliers high; a class that lives in a module of that name stands in for it here."""

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


def test_seed_reaches_detectors_that_take_one(split):
    forest = ExternalDetector(detector="sklearn.ensemble.IsolationForest", parameters={"n_estimators": 5})
    scores = [forest.fit(split, seed).score_samples(split.test_x) for seed in (0, 0, 1)]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])


def test_knn_is_the_distance_to_the_kth(split):
    model = KNearestNeighbours(k=3).fit(split.train_x)
    exact = np.sort(np.linalg.norm(split.test_x[:, None] - split.train_x[None], axis=2), axis=1)[:, 2]
    np.testing.assert_allclose(model.score_samples(split.test_x), -exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("path", "parameters", "says"),
    [
        ("sklearn.mixture.GausianMixture", {}, "cannot be imported"),
        ("no.such.module.Thing", {}, "cannot be imported"),
        ("GaussianMixture", {}, "cannot be imported"),
        ("sklearn.preprocessing.StandardScaler", {}, "no fit and score_samples"),
        ("sklearn.mixture.GaussianMixture", {"n_clusters": 3}, "takes no parameter 'n_clusters'"),
    ],
)
def test_says_what_is_wrong_with_a_detector(path, parameters, says, split):
    with pytest.raises(EbmoodError, match=says):
        ExternalDetector(detector=path, parameters=parameters).fit(split, seed=0)
