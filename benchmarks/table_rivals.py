"""Outlier detectors that `benchmarks/tables.py` compares: (train, test, seed) to scores, higher for outliers."""

import warnings
from collections.abc import Callable

import numpy as np

Rival = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def standardised(rival: Rival) -> Rival:
    """Return the rival on columns with mean 0 and standard deviation 1."""

    def run(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        deviation = np.where(deviation > 1e-12 * np.maximum(1, np.abs(mean)), deviation, 1.0)
        return rival((train - mean) / deviation, (test - mean) / deviation, seed)

    return run


def knn(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.neighbors import NearestNeighbors

    count = min(5, len(train))
    return NearestNeighbors(n_neighbors=count).fit(train).kneighbors(test)[0][:, -1]


def dte_np(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Return DTE-NP (Livernoche et al. 2024): the mean of the five smallest squared distances."""
    from sklearn.neighbors import NearestNeighbors

    count = min(5, len(train))
    return np.square(NearestNeighbors(n_neighbors=count).fit(train).kneighbors(test)[0]).mean(axis=1)


def lof(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.neighbors import LocalOutlierFactor

    return -LocalOutlierFactor(min(20, len(train) - 1), novelty=True).fit(train).score_samples(test)


def gaussian_mixture(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    model = GaussianMixture(min(5, len(train)), reg_covar=1e-4, random_state=seed)
    return -model.fit(train).score_samples(test)


def isolation_forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(n_estimators=100, random_state=seed).fit(train).score_samples(test)


def one_class_svm(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.svm import OneClassSVM

    return -OneClassSVM().fit(train).score_samples(test)


def mahalanobis(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.covariance import EmpiricalCovariance

    return EmpiricalCovariance().fit(train).mahalanobis(test)


def ecod(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.ecod import ECOD

    return ECOD().fit(train).decision_function(test)


def inne(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.inne import INNE

    return INNE(max_samples=min(256, len(train)), random_state=seed).fit(train).decision_function(test)


KNN = "kNN, standardised"

RIVALS: dict[str, Rival] = {
    KNN: standardised(knn),
    "kNN, raw": knn,
    "DTE-NP": standardised(dte_np),
    "LOF": standardised(lof),
    "Gaussian mixture": standardised(gaussian_mixture),
    "isolation forest": isolation_forest,
    "one-class SVM": standardised(one_class_svm),
    "Mahalanobis": standardised(mahalanobis),
    "ECOD": standardised(ecod),
    "INNE": standardised(inne),
}


def flags_at_5_percent(
    rival: Rival, train: np.ndarray, test: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the outlier scores of a rival, and flags by a split-conformal threshold at alpha 0.05.

    The scores are those of a fit to all training rows. The flags need a second fit, which leaves a fifth of them out.
    """
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        scores = rival(train, test, seed)
        order = np.random.default_rng(seed).permutation(len(train))
        count = max(1, round(0.2 * len(train)))
        rest, held_out = train[np.sort(order[count:])], train[order[:count]]
        both = rival(rest, np.concatenate([held_out, test]), seed)
    calibration = np.sort(both[:count])
    p = (1 + count - np.searchsorted(calibration, both[count:], side="left")) / (count + 1)
    return np.nan_to_num(scores, posinf=1e300, neginf=-1e300), p <= 0.05
