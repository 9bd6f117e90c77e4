"""The settings of a monitor."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import Field, ValidationError

from ebmood.core.errors import InputError, setting_problem
from ebmood.core.settings import Settings
from ebmood.monitoring.strata import CycleFeatures


class MonitorSettings(Settings):
    """The settings of a monitor; `ebmood.monitoring.Monitor` describes them.

    Attributes:
        delta: bound on the probability that a false alarm ever occurs.
        run_length: average number of rows between false alarms of the restart rule, or None.
        fdr: false discovery rate over the features of one batch.
        watch_features: whether columns of numbers are watched beside the score.
        unwatched: names of features that are neither watched nor tested.
        cycles: cycles of dates among the features; empty in files of older versions.
        pool_rows: rows of the feed among which later rows are ranked.
        random_state: seed of the numbers that break ties.
    """

    delta: float = Field(gt=0, lt=1)
    run_length: float | None = Field(default=None, ge=1, allow_inf_nan=False)
    fdr: float = Field(default=0.05, gt=0, lt=1)
    watch_features: bool = True
    unwatched: tuple[str, ...] = ()
    cycles: tuple[CycleFeatures, ...] = ()
    pool_rows: int = Field(default=1_000_000, ge=1000)
    random_state: int = 0

    @property
    def log_threshold(self) -> float:
        """The natural logarithm of 1 / delta."""
        return -math.log(self.delta)


@contextmanager
def settings_errors() -> Iterator[None]:
    """Convert the error of an invalid setting in the block into an `InputError` that names it."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(f"{first['loc'][0]}={first['input']!r}: {setting_problem(error).lower()}") from error
