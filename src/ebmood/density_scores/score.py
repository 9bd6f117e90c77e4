"""The interfaces of scores: of one trained model, and of several models together.

A score is fitted to the model and its training rows only, so no score can read out-of-distribution rows before it is
computed for them. Higher always means more in-distribution.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ebmood.core.errors import InputError
from ebmood.core.settings import Settings
from ebmood.models import DensityScorer, Scorer

LOWEST = float(np.finfo(np.float32).min)
"""The log-density of an input at which an image flow overflows, and the lowest score of such an input."""


@dataclass(frozen=True)
class ScoredModel:
    """What is known of a model before it is trained, to decide which scores it has.

    Attributes:
        name: name in messages.
        normalised: whether its log-density is in nats and integrates to one.
        images: whether its inputs are images.
        classes: number of classes that it predicts; at most 1 without supervision.
    """

    name: str
    normalised: bool
    images: bool
    classes: int


class AnyScore(Settings, ABC):
    """The settings of a score.

    Attributes:
        needs_normalised: whether the log-density must be in nats and integrate to one.
        needs_images: whether inputs must be images of bytes.
        needs_classes: whether the model must predict classes.
    """

    kind: str
    needs_normalised: ClassVar[bool] = False
    needs_images: ClassVar[bool] = False
    needs_classes: ClassVar[bool] = False

    @property
    @abstractmethod
    def title(self) -> str:
        """The name in tables, with the settings that distinguish it."""

    def check(self, model: ScoredModel) -> None:
        """Raise an `InputError` that says what is missing if the model does not have this score."""
        if self.needs_normalised and not model.normalised:
            raise InputError(
                f"score {self.kind!r} needs a normalised log-density in nats, but the scale and the constant of "
                f"{model.name!r} are unknown; use a flow, or remove this score"
            )
        if self.needs_images and not model.images:
            raise InputError(
                f"score {self.kind!r} is the length of a compressed image, but {model.name!r} learns from rows of a "
                "table or from features; remove this score"
            )
        if self.needs_classes and model.classes < 2:
            raise InputError(
                f"score {self.kind!r} needs a model of classes, but {model.name!r} is trained without labels; give it "
                "a gamma, or remove this score"
            )


class FittedScore(Scorer, ABC):
    """A score of one trained model.

    Args:
        scorer: the trained model.
    """

    def __init__(self, scorer: DensityScorer):
        self.scorer = scorer

    def score_samples(self, x: np.ndarray) -> np.ndarray:
        """Return scores of rows `(N, *shape) -> (N,)`; of batches, `(N // rows,)`."""
        return self.score(x, self.scorer.score_samples(x))

    @abstractmethod
    def score(self, x: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        """Return the scores of rows whose log-densities are known, so that several scores share them.

        Args:
            x: rows `(N, *shape)`.
            log_density: `scorer.score_samples(x)`, `(N,)`.
        """


class DensityScore(AnyScore, ABC):
    """The settings of a score of one trained model."""

    @abstractmethod
    def fit(self, scorer: DensityScorer, train_x: np.ndarray) -> FittedScore:
        """Return the score, with what it needs of the training rows.

        Args:
            scorer: the trained model.
            train_x: the rows that it was trained on, `(N, *shape)`.

        Raises:
            InputError: the model or the rows do not allow this score.
        """


class CombinedScore(AnyScore, ABC):
    """The settings of a score of several models, which are trained one by one."""

    needs_normalised: ClassVar[bool] = True


def check_same_rows(models: Sequence[DensityScorer], score: str) -> None:
    """Raise an `InputError` unless all models are normalised and were trained on the same rows.

    Args:
        models: the models that are combined.
        score: kind of the score, for the message.
    """
    if len({model.trained_on for model in models}) > 1:
        raise InputError(
            f"score {score!r}: its models were trained on other data than each other; train all of them on the same "
            "split"
        )
    if not all(model.normalised for model in models):
        raise InputError(
            f"score {score!r} needs normalised log-densities in nats, but those of a model have an unknown constant "
            "and scale; use flows"
        )
