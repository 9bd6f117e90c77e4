"""The rows with which the features of a feed are compared, and the scores among which its scores are ranked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.model_inputs import read_new_inputs

Floats = NDArray[np.float64]

MAX_WATCHED = 100
"""Columns of numbers that are watched. With more, each has a small share of the evidence and every row costs more."""

LARGEST = 3e38
"""Scores are clipped to what float32 can hold."""


@dataclass(frozen=True)
class Reference:
    """Rows like the training rows.

    Attributes:
        rows: `(M, D)`; `(0, 0)` if there are none, and no feature is compared.
        names: the names of the features; empty if there are no rows.
        categories: the columns that hold numbers of levels.
        given: whether the caller gave the rows, so that they are saved with the monitor.
    """

    rows: Floats
    names: tuple[str, ...]
    categories: tuple[int, ...]
    given: bool

    @property
    def watched(self) -> tuple[int, ...]:
        """The columns of numbers, if there are at most `MAX_WATCHED`. Their values are ranked one by one.

        Levels are not ranked: a level that no training row has can only occur in the feed.
        """
        numbers = tuple(column for column in range(len(self.names)) if column not in self.categories)
        return numbers if len(numbers) <= MAX_WATCHED else ()


NO_ROWS = Reference(np.empty((0, 0)), (), (), given=False)
"""The reference of a detector of which no features are compared."""


def read_reference(detector: Calibrated, rows: Any = None) -> Reference:
    """Return the reference rows of a detector: `rows`, or the training rows that it holds.

    Raises:
        InputError: the detector has no reserved calibration rows, or does not accept the rows.
    """
    if not isinstance(detector, EnergyDetector):
        if rows is not None:
            raise InputError(f"reference: {type(detector).__name__} has no features to compare; leave it out")
        return NO_ROWS
    if detector.leave_one_out_:
        again = for_interface(
            "give new rows to `ebmood recalibrate`",
            "call recalibrate(X) with rows that are not training rows",
        )
        raise InputError(
            "detector: has leave-one-out calibration, whose scores are not exchangeable with those of new rows; fit it "
            f"with calibration=0.2, or {again}"
        )
    if detector.calibration_.weights is not None:
        raise InputError(
            "detector: its calibration rows have weights, so they are not exchangeable with new rows; call "
            "recalibrate(X) without weights"
        )
    if rows is not None:
        names = tuple(detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else None
        values = read_new_inputs(rows, detector.scorer_, names, detector.levels_).values
        if values is None or not len(values):
            raise InputError("reference: must hold rows of numbers or categories; leave it out")
        return Reference(values, detector.column_labels(), tuple(detector.levels_), given=True)
    held = detector.model_.memory
    is_sample = not detector.supervised or len(held) == detector.n_training_rows_
    if detector.memory == "rows" and detector.scorer_.embedding is None and is_sample:
        values = held.cpu().numpy()
        return Reference(values, detector.column_labels(), tuple(detector.levels_), given=False)
    return NO_ROWS


def calibration_sample(detector: Calibrated) -> tuple[Floats, Floats | None]:
    """Return the scores `(n,)` and rows `(n, D)` of the calibration rows that a detector holds, a random sample of all.

    The rows are None if it holds none. The scores are then those of all calibration rows.
    """
    if not isinstance(detector, EnergyDetector) or detector.calibration_rows_ is None:
        return detector.calibration_scores_, None
    rows = detector.calibration_rows_.rows
    return detector.scorer_.score_rows(rows), rows


def feature_names(detector: Calibrated) -> tuple[str, ...]:
    """Return the names of the features of a detector; empty for one that has only a score."""
    return detector.column_labels() if isinstance(detector, EnergyDetector) else ()


def check_names(unwatched: Sequence[str], features: Sequence[str]) -> None:
    """Check that features exist.

    Raises:
        InputError: one does not; the message names the features that exist.
    """
    for name in unwatched:
        if name not in features:
            known = ", ".join(map(repr, features[:20])) + (", ..." if len(features) > 20 else "")
            has = f"the features are {known}" if features else "this detector has no features"
            raise InputError(f"unwatched: no feature {name!r}; {has}")


def rounded(scores: Floats) -> Floats:
    """Return scores rounded to float32. Equal rows then tie, although the last bits depend on the size of a batch."""
    return np.clip(scores, -LARGEST, LARGEST).astype(np.float32).astype(np.float64)
