"""The result of fitting a recipe."""

from dataclasses import dataclass, field

import numpy as np

from ebmood.core.moved_weight import MovedWeight
from ebmood.models import Scorer


@dataclass(frozen=True)
class Fitted:
    """The result of fitting a recipe.

    Attributes:
        scorer: the fitted model.
        history: history of training by column; empty for detectors of other libraries.
        events: one line for every rollback of the training.
        negatives: samples `(N, *shape)` that the model learnt to tell from data, by name of their source.
        nudge: the weight that was moved by one last bit before the training, or None.
    """

    scorer: Scorer
    history: dict[str, list[float]]
    events: tuple[str, ...] = ()
    negatives: dict[str, np.ndarray] = field(default_factory=dict)
    nudge: MovedWeight | None = None
