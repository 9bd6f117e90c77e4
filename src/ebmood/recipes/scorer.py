"""A trained density model behind the interface that all scorers share."""

from dataclasses import dataclass, field

import numpy as np
import torch

from ebmood.core.seeding import torch_stream
from ebmood.data.units import model_rows
from ebmood.models import DensityModel, Scorer

TABLE_CHUNK = 1024
"""Rows of a table that are scored at once: the fastest number for MLPs on a CPU, and a bound on memory."""

IMAGE_CHUNK = 256
"""Images that are scored at once: a bound on memory."""


class DensityScorer(Scorer):
    """A trained density model as a scorer.

    Args:
        model: the model.
        device: the model's device.
        noise: standard deviation of noise that is added to every input, as in training, or None.
        seed: seed of that noise. Every call draws the same noise, so that calls do not depend on each other.
    """

    def __init__(self, model: DensityModel, device: torch.device, noise: float | None = None, seed: int = 0):
        self.model = model
        self.device = device
        self.noise = noise
        self.seed = seed
        self.normalised = model.normalised

    @torch.no_grad()
    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Return log-densities `(N, *shape) -> (N,)`, float64, computed chunk by chunk."""
        was_training = self.model.training
        self.model.eval()
        generator = torch_stream(self.seed, "noise at test")
        size = TABLE_CHUNK if x.ndim == 2 else IMAGE_CHUNK
        # Allocated once: small results between large intermediate arrays would fragment the heap.
        scores = np.empty(len(x))
        for start in range(0, len(x), size):
            rows = model_rows(x[start : start + size])
            if self.noise is not None:
                rows = rows + self.noise * torch.empty_like(rows).normal_(generator=generator)
            scores[start : start + size] = self.model.log_density(rows.to(self.device)).cpu().numpy()
        self.model.train(was_training)
        return scores


@dataclass(frozen=True)
class Fitted:
    """The result of fitting a recipe.

    Attributes:
        scorer: the fitted model.
        history: history of training by column; empty for detectors of other libraries.
        events: one line for every rollback of the training.
        negatives: samples `(N, *shape)` that the model learnt to tell from data, by name of their source.
    """

    scorer: Scorer
    history: dict[str, list[float]]
    events: tuple[str, ...] = ()
    negatives: dict[str, np.ndarray] = field(default_factory=dict)
