"""The scores of a classifier as baselines: functions of its logits."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ebmood.core.settings import Settings
from ebmood.data.dataset import Split
from ebmood.models import EnergyModel, Scorer, log_density_of
from ebmood.recipes.classifier import Classifier, apply_network
from ebmood.scores.max_softmax import max_log_softmax
from ebmood.training import Report


class ClassifierScorer(Scorer):
    """A scorer that applies a function to the logits of a classifier.

    Args:
        model: the classifier.
        score: function of logits `(N, K) -> (N,)`, higher is more in-distribution.
        device: `auto`, `cpu` or `cuda`.
    """

    def __init__(self, model: EnergyModel, score: Callable[[Tensor], Tensor], device: str):
        self.model, self.score, self.device = model, score, device

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Return scores of images `(N, C, H, W) -> (N,)`, computed in float64, so that few probabilities are one."""
        logits = torch.from_numpy(apply_network(self.model.network, x, self.device))
        return self.score(logits.double()).numpy()

    def predict_classes(self, x: np.ndarray) -> np.ndarray:
        """Implement `Scorer.predict_classes`."""
        return apply_network(self.model.network, x, self.device).argmax(1)


class ClassifierScore(Settings):
    """Settings of a baseline that scores inputs by the logits of a classifier.

    Attributes:
        score: `max-softmax`, see `max_log_softmax`; or `logsumexp`, the energy score `log sum_y exp f(x)[y]` (Liu et
            al. 2020).
        classifier: settings of the classifier.
    """

    kind: Literal["classifier-score"] = "classifier-score"
    score: Literal["max-softmax", "logsumexp"]
    classifier: Classifier = Classifier()

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> ClassifierScorer:
        """Return the scorer, with a trained classifier. See `Classifier.fit` for arguments and errors."""
        model = self.classifier.fit(split, seed, device, report)
        return ClassifierScorer(
            model, log_density_of if self.score == "logsumexp" else max_log_softmax, device
        )
