"""Detectors of other libraries, by import path: scikit-learn's, PyOD's, ours, or the user's.

The one place where another library's sign is turned round: PyOD's `decision_function` is higher for outliers.
"""

import importlib
import inspect
from typing import Any, Literal

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.data.dataset import Split
from ebmood.models.density import Scorer


class ExternalScorer(Scorer):
    """A fitted detector behind the one score interface; see `ExternalDetector`."""

    def __init__(self, detector: Any):
        self._detector = detector
        # PyOD scores outliers high, everybody else scores them low.
        outliers_high = any(c.__module__.split(".")[0] == "pyod" for c in type(detector).__mro__)
        self._sign = -1.0 if outliers_high else 1.0
        has_samples = not outliers_high and hasattr(detector, "score_samples")
        self._score = detector.score_samples if has_samples else detector.decision_function

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """See `Scorer.score_samples`; images are flattened."""
        return self._sign * np.asarray(self._score(_rows(x)), dtype=np.float64).reshape(len(x))


class ExternalDetector(Settings):
    """Any object with `fit(X)` and `score_samples(X)` or `decision_function(X)`.

    Attributes:
        detector: import path of its class, such as `sklearn.ensemble.IsolationForest`.
        parameters: arguments of its constructor. `random_state` is the cell's seed where the class takes one.
    """

    kind: Literal["detector"] = "detector"
    detector: str
    parameters: dict[str, Any] = {}

    def make(self, seed: int) -> Any:
        """The detector, not yet fitted.

        Raises:
            EbmoodError: no such class, or it is no detector, or it does not take the parameters.
        """
        cls = _class_at(self.detector)
        parameters = dict(self.parameters)
        known = inspect.signature(cls).parameters
        unknown = [name for name in parameters if name not in known]
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise EbmoodError(
                f"{self.detector} takes no parameter {unknown[0]!r}; it takes {', '.join(known)}"
            )
        if "random_state" in known:
            parameters.setdefault("random_state", seed)
        return cls(**parameters)

    def fit(self, split: Split, seed: int) -> ExternalScorer:
        """Fit on the in-distribution training rows, scaled as the split has them; raises as `make` does."""
        detector = self.make(seed)
        detector.fit(_rows(split.train_x))
        return ExternalScorer(detector)


def _class_at(path: str) -> type:
    module, _, name = path.rpartition(".")
    try:
        cls = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise EbmoodError(
            f"detector {path!r} cannot be imported ({error}); install its package, or put its file beside the "
            "study file"
        ) from error
    if not hasattr(cls, "fit") or not (hasattr(cls, "score_samples") or hasattr(cls, "decision_function")):
        raise EbmoodError(f"detector {path!r} has no fit and score_samples or decision_function")
    return cls


def _rows(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)
