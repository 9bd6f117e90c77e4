"""Detectors of any library by import path: scikit-learn's, PyOD's, those of this package, or the user's.

This is the only module that changes a sign: PyOD's `decision_function` is higher for outliers.
"""

import inspect
from typing import Any, Literal

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.core.imports import import_object
from ebmood.core.settings import Settings
from ebmood.data.dataset import Split
from ebmood.models.density import Scorer


class ExternalScorer(Scorer):
    """A fitted detector with the `Scorer` interface.

    Args:
        detector: a fitted object with `score_samples` or `decision_function`.
    """

    def __init__(self, detector: Any):
        self._detector = detector
        is_pyod = any(cls.__module__.split(".")[0] == "pyod" for cls in type(detector).__mro__)
        self._sign = -1.0 if is_pyod else 1.0
        has_score_samples = not is_pyod and hasattr(detector, "score_samples")
        self._score = detector.score_samples if has_score_samples else detector.decision_function

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Implement `Scorer.score_samples`; images are flattened."""
        return self._sign * np.asarray(self._score(_flatten(x)), dtype=np.float64).reshape(len(x))


class ExternalDetector(Settings):
    """Settings of any detector with `fit(X)` and `score_samples(X)` or `decision_function(X)`.

    Attributes:
        detector: import path of its class, for example `sklearn.ensemble.IsolationForest`.
        parameters: keyword arguments of its constructor. `random_state` defaults to the seed if the class takes it.

    >>> ExternalDetector(detector="sklearn.svm.OneClassSVM", parameters={"nu": 0.1}).make(seed=0)
    OneClassSVM(nu=0.1)
    """

    kind: Literal["detector"] = "detector"
    detector: str
    parameters: dict[str, Any] = {}

    def make(self, seed: int) -> Any:
        """Return the detector, not yet fitted.

        Raises:
            EbmoodError: the class cannot be imported, is not a detector, or does not take the parameters.
        """
        cls = _detector_class(self.detector)
        signature = inspect.signature(cls).parameters
        unknown = [name for name in self.parameters if name not in signature]
        if unknown and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.values()):
            raise EbmoodError(
                f"{self.detector} takes no parameter {unknown[0]!r}; it takes {', '.join(signature)}"
            )
        defaults = {"random_state": seed} if "random_state" in signature else {}
        return cls(**defaults | self.parameters)

    def fit(self, split: Split, seed: int) -> ExternalScorer:
        """Return the detector fitted on the scaled in-distribution training rows.

        Raises:
            EbmoodError: as `make`.
        """
        detector = self.make(seed)
        detector.fit(_flatten(split.train_x))
        return ExternalScorer(detector)


def _detector_class(path: str) -> Any:
    cls = import_object(path, "detector")
    if not hasattr(cls, "fit") or not (hasattr(cls, "score_samples") or hasattr(cls, "decision_function")):
        raise EbmoodError(
            f"detector {path!r} does not have fit and score_samples or decision_function; name a detector's class"
        )
    return cls


def _flatten(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
