"""A trained density model behind the interface that all scorers share."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ebmood.core.seeding import torch_stream
from ebmood.data.rows import check_finite, rows_of
from ebmood.data.units import model_rows
from ebmood.models.density import DensityModel, Scorer

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
        trained_on: digest of the training rows of the split, or an empty string if it is unknown. Models are combined
            only if they have the same one.
        shape: shape of one row, which all inputs must have; None for any.
    """

    def __init__(
        self,
        model: DensityModel,
        device: torch.device,
        noise: float | None = None,
        seed: int = 0,
        trained_on: str = "",
        shape: tuple[int, ...] | None = None,
    ):
        self.model = model
        self.device = device
        self.noise = noise
        self.seed = seed
        self.trained_on = trained_on
        self.shape = shape
        self.normalised = model.normalised

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Return log-densities `(N, *shape) -> (N,)`, float64, computed chunk by chunk.

        Args:
            x: rows in the units of the split that the model was trained on; see `Split.scale` for new rows.

        Raises:
            InputError: a value is not a finite number in float32, or rows have another shape than in training.
        """
        return self.apply(self.model.log_density, x)

    def predict_classes(self, x: np.ndarray) -> np.ndarray | None:
        """Implement `Scorer.predict_classes` for models with several logits."""
        if len(x) == 0 or self.classes(x) < 2:
            return None
        return self.apply(lambda rows: self.logits(rows).argmax(1), x).astype(np.int64)

    @torch.no_grad()
    def classes(self, x: np.ndarray) -> int:
        """Return the number of the model's logits, computed for the first of rows `(N, *shape)`; 0 without logits."""
        logits = self.model.logits(model_rows(rows_of(x, self.shape)[:1]).to(self.device))
        return 0 if logits is None else logits.shape[1]

    def logits(self, x: Tensor) -> Tensor:
        """Return the logits of a model that has some, see `DensityModel.logits`."""
        logits = self.model.logits(x)
        assert logits is not None
        return logits

    @torch.no_grad()
    def apply(self, function: Callable[[Tensor], Tensor], x: np.ndarray) -> np.ndarray:
        """Return the values of a function of the model's inputs, `(N, *shape) -> (N,)`, float64, chunk by chunk.

        Args:
            function: `(B, *shape) -> (B,)`; its inputs are float32 in model units, on the device of the model, with the
                noise that `score_samples` adds. The model is in evaluation mode.
            x: rows `(N, *shape)`.

        Raises:
            InputError: as `score_samples`.
        """
        x = rows_of(x, self.shape)
        if x.ndim == 2 and x.dtype == np.uint8:
            x = x.astype(np.float32)  # only bytes of images have units of their own
        was_training = self.model.training
        self.model.eval()
        generator = torch_stream(self.seed, "noise at test")
        size = TABLE_CHUNK if x.ndim == 2 else IMAGE_CHUNK
        # Allocated once: small results between large intermediate arrays would fragment the heap.
        values = np.empty(len(x))
        for start in range(0, len(x), size):
            rows = model_rows(x[start : start + size])
            check_finite(rows.numpy(), first=start)
            if self.noise is not None:
                rows = rows + self.noise * torch.empty_like(rows).normal_(generator=generator)
            values[start : start + size] = function(rows.to(self.device)).cpu().numpy()
        self.model.train(was_training)
        return values
