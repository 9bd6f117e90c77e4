"""Compute scores from validated input: the embedding, if there is one, and the score model, in chunks."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.core.threads import threads_for
from ebmood.detector.energy.chunks import apply_in_chunks
from ebmood.detector.energy.score_model import ScoreModel
from ebmood.detector.energy.training_ranges import clip_to_ranges, lower_distant_scores
from ebmood.detector.user_embedding import embed, to_module_input

Floats = NDArray[np.float64]


@dataclass
class RowScorer:
    """A fitted score model with an optional embedding before it.

    Attributes:
        model: maps `(N, D)`, or `(N, E)` after an embedding, to scores `(N,)`.
        embedding: the user's module, or None.
        shape: shape of one input; None if the embedding takes inputs that are not floating-point numbers.
        ranges: `(2, D)` lowest and highest training value of each feature; None if `shape` is None.
        lowest_scores: `(1 + K,)` lowest score of a training row, in total and under each class.
        device: the device of model and embedding.
    """

    model: ScoreModel
    embedding: nn.Module | None
    shape: tuple[int, ...] | None
    ranges: Floats | None
    lowest_scores: Floats
    device: torch.device

    def scores(self, features: Floats, values: Floats | None) -> Floats:
        """Return scores `(N,)` of rows for which the embedding is already computed.

        Args:
            features: `(N, E)`, the rows that the model receives.
            values: `(N, D)`, the rows before an embedding; None if the inputs are not numbers.
        """
        with self._threads(features):
            scores = apply_in_chunks(self.model, features, self.device)
        return self._lower_distant(scores, values, 0)

    def class_scores(self, features: Floats, values: Floats | None) -> Floats:
        """Return scores under every class, `(N, K)`. The arguments are those of `scores`."""
        with self._threads(features):
            scores = apply_in_chunks(self.model.class_scores, features, self.device)
        columns = [self._lower_distant(scores[:, k], values, 1 + k) for k in range(scores.shape[1])]
        return np.column_stack(columns)

    def score_rows(self, values: Floats) -> Floats:
        """Return the scores of flat rows of numbers: `(N, D)` to `(N,)`."""
        return self.scores(self.features(values), values)

    def features(self, inputs: Floats | Tensor | list) -> Floats:
        """Return the rows that the model receives, `(N, E)`.

        Args:
            inputs: flat rows of numbers `(N, D)`, or other inputs of the embedding.
        """
        if isinstance(inputs, np.ndarray):
            if self.embedding is None or self.shape is None or self.ranges is None:
                return inputs
            inputs = to_module_input(clip_to_ranges(inputs, self.ranges), self.shape)
        assert self.embedding is not None
        return embed(self.embedding, inputs, self.device)

    def _threads(self, features: Floats) -> AbstractContextManager[None]:
        rows, columns = features.shape
        return threads_for(self.model.settings.work(rows, len(self.model.memory), columns))

    def _lower_distant(self, scores: Floats, values: Floats | None, index: int) -> Floats:
        if self.embedding is None or self.ranges is None or values is None:
            return scores
        return lower_distant_scores(scores, values, self.ranges, float(self.lowest_scores[index]))
