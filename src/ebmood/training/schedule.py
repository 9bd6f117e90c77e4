"""How long and how fast: the length of a training, and its rates."""

from ebmood.settings import Settings


class Training(Settings):
    """How long and how fast; the defaults are the protocol's for tables.

    Attributes:
        steps: moves of every player.
        batch_size: rows a batch.
        warmup: steps over which rates rise linearly to their peak; 0 for none.
        halve_every: epochs after which every rate is halved, again and again; None for never.
        validate_every: epochs between looks at the validation loss; None for none.
        patience: looks without improvement after which training ends; the best state is kept. None: never.
    """

    steps: int = 10_000
    batch_size: int = 512
    warmup: int = 2_500
    halve_every: int | None = None
    validate_every: int | None = None
    patience: int | None = None


def rate_factor(step: int, per_epoch: int, training: Training) -> float:
    """What peak rates are multiplied by at `step` (counted from 0): warm-up, then halvings."""
    warm = min(1.0, (step + 1) / training.warmup) if training.warmup else 1.0
    halvings = 0 if training.halve_every is None else step // per_epoch // training.halve_every
    return warm * 0.5**halvings
