"""The training schedule: number of steps, learning rates, and transformations of the inputs."""

from typing import Self

from pydantic import NonNegativeInt, PositiveInt, model_validator

from ebmood.core.settings import NonNegative, Positive, Settings
from ebmood.data.augmentation import Augmentation


class Training(Settings):
    """Settings of the training loop. The defaults are those of the paper's experiments on tables.

    Attributes:
        steps: number of updates of every player; ignored if `epochs` is set.
        epochs: number of passes over the rows, instead of a number of steps.
        batch_size: number of rows in a batch.
        warmup: number of steps over which learning rates rise linearly to their peak; 0 for none.
        halve_every: number of epochs after which every learning rate is halved, repeatedly; None for never.
        drops: epochs after which every learning rate is multiplied by `drop`, once each; None for none.
        drop: the factor of `drops`.
        augmentation: random transformation of the training images; None for tables, or for none.
        input_noise: standard deviation of the normal noise that is added to every input, in training and at test
            time; None for none.
        average: the final model has the exponential moving average of its parameters over about this number of last
            steps (Polyak & Juditsky 1992), which reduces the noise of sampled gradients at almost no cost. None: the
            parameters of the last step. Parameters of other players are not averaged.
        validate_every: epochs between evaluations of the validation loss, after which the best state is restored;
            None for no validation. With `average`, averaged parameters are evaluated and restored.
        patience: evaluations without improvement after which training stops. None: never.
        fast: False computes everything by the reference. True always compiles the C++ parts of the fast paths, on a
            CPU. None compiles if this takes less time than it saves. Results are equal up to rounding.
    """

    steps: PositiveInt = 10_000
    epochs: PositiveInt | None = None
    batch_size: PositiveInt = 512
    warmup: NonNegativeInt = 2_500
    halve_every: PositiveInt | None = None
    drops: tuple[PositiveInt, ...] | None = None
    drop: Positive = 0.3
    augmentation: Augmentation | None = None
    input_noise: NonNegative | None = None
    average: PositiveInt | None = None
    validate_every: PositiveInt | None = None
    patience: PositiveInt | None = None
    fast: bool | None = None

    @model_validator(mode="after")
    def _check_patience(self) -> Self:
        if self.patience is not None and self.validate_every is None:
            raise ValueError(
                "patience counts evaluations of the validation loss; set validate_every, or no patience"
            )
        return self

    def length(self, per_epoch: int) -> int:
        """Return the total number of steps if an epoch has `per_epoch` batches."""
        return self.steps if self.epochs is None else self.epochs * per_epoch

    def unfinished_warmup(self, rows: int) -> str | None:
        """Return one line if the warm-up over so many training rows takes all steps or more, or None.

        >>> Training(steps=50, warmup=20).unfinished_warmup(rows=512) is None
        True
        """
        steps = self.length(per_epoch=rows // min(self.batch_size, rows))
        if self.warmup < steps:
            return None
        return (
            f"the warm-up has {self.warmup} steps, but the training has {steps}: learning rates end at "
            f"{steps / self.warmup:.2g} times their settings; set `warmup` below `steps`, to {steps // 5} for example"
        )

    def unreached_average(self, rows: int) -> str | None:
        """Return one line if the parameters are averaged over more steps than the training has, or None.

        >>> Training(steps=50, average=20).unreached_average(rows=512) is None
        True
        """
        steps = self.length(per_epoch=rows // min(self.batch_size, rows))
        if self.average is None or self.average <= steps:
            return None
        return (
            f"parameters are averaged over {self.average} steps, but the training has {steps}: the final model "
            f"includes the first steps; set `average` below `steps`, to {max(1, steps // 10)} for example"
        )

    def is_shorter_than(self, other: Self) -> bool:
        """Return whether this has fewer epochs or steps than `other`, or only one of the two counts epochs."""
        if self.epochs is None or other.epochs is None:
            return self.epochs != other.epochs or self.steps < other.steps
        return self.epochs < other.epochs


def rate_factor(step: int, per_epoch: int, training: Training) -> float:
    """Return the factor of the peak learning rates at `step`, counted from 0: warm-up, halvings and drops.

    >>> [rate_factor(step, per_epoch=2, training=Training(warmup=2, halve_every=2)) for step in range(6)]
    [0.5, 1.0, 1.0, 1.0, 0.5, 0.5]
    """
    warmup = min(1.0, (step + 1) / training.warmup) if training.warmup else 1.0
    epoch = step // per_epoch
    halvings = 0 if training.halve_every is None else epoch // training.halve_every
    drops = sum(epoch >= drop for drop in training.drops or ())
    return warmup * 0.5**halvings * training.drop**drops
