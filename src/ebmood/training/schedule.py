"""How long and how fast: the length of a training, its rates, and what is done to its inputs."""

from typing import Self

from pydantic import PositiveInt, model_validator

from ebmood.core.settings import Settings
from ebmood.data.augmentation import Augmentation


class Training(Settings):
    """How long and how fast; the defaults are the protocol's for tables.

    Attributes:
        steps: moves of every player, where `epochs` says nothing.
        epochs: passes over the rows in place of a number of steps.
        batch_size: rows a batch.
        warmup: steps over which rates rise linearly to their peak; 0 for none.
        halve_every: epochs after which every rate is halved, again and again; None for never.
        drops: epochs after which every rate is multiplied by `drop`, once each; None for none.
        augmentation: what is done to each training image; None for tables, and for nothing.
        input_noise: standard deviation of normal noise that is added to every input, in training and at test;
            None for none.
        average: the model ends as the exponential mean of its parameters over about so many last steps (Polyak &
            Juditsky 1992), which quiets chains' noise at next to no cost; None: as the last step. Players beside the
            model's own stay as they are. Not together with `validate_every`.
        validate_every: epochs between looks at the validation loss; None for none.
        patience: looks without improvement after which training ends; the best state is kept. None: never.
        fast: False computes everything by the reference; True compiles C++ in any case, on a CPU; None compiles where
            that takes less time than it saves. Results are equal up to rounding.
    """

    steps: int = 10_000
    epochs: PositiveInt | None = None
    batch_size: int = 512
    warmup: int = 2_500
    halve_every: int | None = None
    drops: tuple[int, ...] | None = None
    drop: float = 0.3
    augmentation: Augmentation | None = None
    input_noise: float | None = None
    average: PositiveInt | None = None
    validate_every: int | None = None
    patience: int | None = None
    fast: bool | None = None

    @model_validator(mode="after")
    def _one_state_at_the_end(self) -> Self:
        if self.average is not None and self.validate_every is not None:
            raise ValueError(
                "average and validate_every each choose the state that a training ends in; set one of them"
            )
        return self

    def length(self, per_epoch: int) -> int:
        """Steps in all, with `per_epoch` batches in an epoch."""
        return self.steps if self.epochs is None else self.epochs * per_epoch

    def shorter_than(self, other: Self) -> bool:
        """Whether this is certainly less training than `other`: fewer epochs, fewer steps, or steps for epochs."""
        if self.epochs is None or other.epochs is None:
            return self.epochs != other.epochs or self.steps < other.steps
        return self.epochs < other.epochs


def rate_factor(step: int, per_epoch: int, training: Training) -> float:
    """What peak rates are multiplied by at `step` (counted from 0): warm-up, halvings, drops."""
    warm = min(1.0, (step + 1) / training.warmup) if training.warmup else 1.0
    epoch = step // per_epoch
    halvings = 0 if training.halve_every is None else epoch // training.halve_every
    drops = sum(epoch >= drop for drop in training.drops or ())
    return warm * 0.5**halvings * training.drop**drops
