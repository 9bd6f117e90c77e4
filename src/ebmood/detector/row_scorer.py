"""From checked input to scores: the embedding, if there is one, and the model, in pieces."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.detector.chunks import in_pieces
from ebmood.detector.score_model import ScoreModel
from ebmood.detector.user_embedding import as_items, embed, out_of_reach, within_reach

Floats = NDArray[np.float64]


@dataclass
class RowScorer:
    """A fitted model with what comes before it.

    Attributes:
        model: `(N, D) -> (N,)`, or `(N, E) -> (N,)` after an embedding.
        embedding: the user's module, or None.
        shape: of one input, None where inputs of the embedding are no floating-point numbers.
        ranges: `(2, D)` lowest and highest training value of each feature; None with `shape`.
        lowest: `(1 + K,)` lowest score of a training row, and lowest under each class.
        device: where all of that is computed.
    """

    model: ScoreModel
    embedding: nn.Module | None
    shape: tuple[int, ...] | None
    ranges: Floats | None
    lowest: Floats
    device: torch.device

    def scores(self, features: Floats, values: Floats | None) -> Floats:
        """Scores of rows that went through the embedding already.

        Args:
            features: `(N, E)` what the model sees.
            values: `(N, D)` what they were before an embedding; None where they were no numbers.
        """
        return self._in_reach(in_pieces(self.model, features, self.device), values, 0)

    def class_scores(self, features: Floats, values: Floats | None) -> Floats:
        """Scores under every class, `(N, K)`; see `scores`."""
        scores = in_pieces(self.model.class_scores, features, self.device)
        return np.column_stack([self._in_reach(scores[:, k], values, 1 + k) for k in range(scores.shape[1])])

    def of_values(self, values: Floats) -> Floats:
        """Scores of flat rows of numbers: `(N, D) -> (N,)`."""
        return self.scores(self.features(values), values)

    def features(self, inputs: Floats | Tensor | list) -> Floats:
        """What the model sees: `(N, E)`.

        Args:
            inputs: flat rows of numbers `(N, D)`, or whatever else the embedding takes.
        """
        if isinstance(inputs, np.ndarray):
            if self.embedding is None or self.shape is None or self.ranges is None:
                return inputs
            inputs = as_items(within_reach(inputs, self.ranges), self.shape)
        assert self.embedding is not None
        return embed(self.embedding, inputs, self.device)

    def _in_reach(self, scores: Floats, values: Floats | None, which: int) -> Floats:
        if self.embedding is None or self.ranges is None or values is None:
            return scores
        return out_of_reach(scores, values, self.ranges, float(self.lowest[which]))
