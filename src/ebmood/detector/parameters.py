"""Validate the parameters of the detector. This happens in `fit`, because scikit-learn's constructors only store."""

import itertools
import math
from contextlib import suppress
from numbers import Integral, Real
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ebmood.core.calibration import allowed_alarms, rows_needed
from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.core.seeding import numpy_stream
from ebmood.core.words import noun
from ebmood.detector.energy.contamination import Contamination


def check_alpha_and_device(alpha: float, device: str) -> torch.device:
    """Check the two parameters that can be invalid for any data, and return the torch device.

    Raises:
        InputError: `alpha` is not between 0 and 1, or the device does not exist on this machine.
    """
    allowed_alarms(alpha, 0)
    return resolve_device(device)


LEAVE_ONE_OUT: Literal["loo"] = "loo"
"""The value of `calibration` with which all rows are used for training and for calibration."""

LAST: Literal["last"] = "last"
"""The value of `calibration` with which the last rows are used for calibration, in place of random ones."""

AUTO: Literal["auto"] = "auto"
"""The value of `calibration` with which the number of rows decides."""

FIFTH = 0.2
"""The fraction of the rows that `"last"` uses for calibration, and `"auto"` if there are enough rows."""

ResolvedCalibration = float | int | Literal["loo", "last"]
"""Rows for calibration: a fraction or a number of random rows, leave-one-out calibration, or the last fifth."""

Calibration = ResolvedCalibration | Literal["auto"]
"""The parameter `calibration` of an `EnergyDetector`."""

SplitCalibration = float | int | Literal["auto"]
"""The parameter `calibration` of a detector that is calibrated on random other rows."""


def resolve_calibration(
    calibration: Calibration, rows: int, alpha: float, *, knows_loo: bool = True
) -> ResolvedCalibration:
    """Return what `"auto"` stands for; other values are returned as they are.

    It stands for a fifth of the rows. If that is too few to flag a row at `alpha`, it is leave-one-out calibration. A
    detector that does not have it uses as many rows as are needed, if half of the rows are left for training. If no
    calibration is enough, it is a fifth.

    >>> [resolve_calibration("auto", rows, alpha=0.05) for rows in (93, 92, 19, 18)]
    [0.2, 'loo', 'loo', 0.2]
    >>> [resolve_calibration("auto", rows, alpha=0.05, knows_loo=False) for rows in (93, 92, 38, 37)]
    [0.2, 19, 19, 0.2]

    Args:
        calibration: the parameter of the detector.
        rows: rows of the fit.
        alpha: level of the flags.
        knows_loo: whether the detector has leave-one-out calibration.
    """
    if calibration != AUTO:
        return calibration
    needed = rows_needed(alpha)
    if needed <= count_calibration_rows(FIFTH, rows):
        return FIFTH
    if knows_loo:
        return LEAVE_ONE_OUT if needed <= rows else FIFTH
    return needed if needed <= rows // 2 else FIFTH


def count_calibration_rows(calibration: ResolvedCalibration, rows: int) -> int:
    """Return how many of `rows` are used for calibration. A fraction is rounded, and gives at least one row.

    >>> count_calibration_rows(0.2, 357), count_calibration_rows(50, 357)
    (71, 50)

    Raises:
        InputError: `calibration` is neither a fraction between 0 and 1, nor a whole number of at least 1, nor a word
            that is known.
    """
    if calibration == LEAVE_ONE_OUT:
        return rows
    if calibration == LAST:
        return max(1, round(FIFTH * rows))
    if isinstance(calibration, Integral) and not isinstance(calibration, bool) and calibration >= 1:
        return int(calibration)
    if isinstance(calibration, Real) and not isinstance(calibration, Integral) and 0 < calibration < 1:
        return max(1, round(float(calibration) * rows))
    words = for_interface("auto, loo or last", "'auto', 'loo' or 'last'")
    raise InputError(
        f"calibration={calibration!r}: must be a fraction above 0 and below 1, a number of rows from 1, {words}"
    )


def parse_calibration(text: str) -> Calibration:
    """Return the value of the command-line option `--calibration`.

    >>> parse_calibration("0.2"), parse_calibration("50"), parse_calibration("auto")
    (0.2, 50, 'auto')

    A whole number is a number of rows, and 1.0 is a fraction, which is too large.

    Raises:
        InputError: it is neither a number nor `auto`, `loo` or `last`.
    """
    if text in (AUTO, LEAVE_ONE_OUT, LAST):
        return text
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    raise InputError(f"--calibration {text}: must be a fraction, a number of rows, auto, loo or last")


def parse_contamination(text: str | None) -> Contamination:
    """Return the value of the command-line option `--contamination`.

    Raises:
        InputError: it is neither a number nor `auto`.
    """
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--contamination {text}: must be a fraction, or auto") from None


def split_rows(
    calibration: ResolvedCalibration, rows: int, seed: int, segments: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of training rows and of calibration rows, both ascending. With "loo" each has all rows.

    With segments `(N,)`, every segment has the same fraction of calibration rows, except with "last".

    Raises:
        InputError: `calibration` is invalid, or leaves fewer than two training rows.
    """
    calibration_rows = count_calibration_rows(calibration, rows)
    if not _leaves_training_rows(calibration, rows):
        needed = next(n for n in itertools.count(rows + 1) if _leaves_training_rows(calibration, n))
        raise InputError(
            f"X: {rows} {noun(rows, 'sample')}, of which {calibration_rows} {noun(calibration_rows, 'is', 'are')} for "
            f"calibration; give {needed} or more, because training needs at least 2"
        )
    if calibration == LEAVE_ONE_OUT:
        return np.arange(rows), np.arange(rows)
    if calibration == LAST:
        return np.arange(rows - calibration_rows), np.arange(rows - calibration_rows, rows)
    if segments is not None:
        return split_within_segments(calibration_rows / rows, segments, numpy_stream(seed, "calibration"))
    order = numpy_stream(seed, "calibration").permutation(rows)
    return np.sort(order[calibration_rows:]), np.sort(order[:calibration_rows])


def _leaves_training_rows(calibration: ResolvedCalibration, rows: int) -> bool:
    """Return whether enough of `rows` rows remain for training."""
    if calibration == LEAVE_ONE_OUT:
        return rows > 2  # two of them remain if a row is left out
    return rows - count_calibration_rows(calibration, rows) >= 2


def split_within_segments(
    fraction: float, segments: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the indices of training rows and of calibration rows, both ascending.

    In every segment the calibration rows are a random sample, and their number is the fraction of its rows, rounded up
    or down. Over all rows, it is the fraction of them, rounded up or down.

    Args:
        fraction: the fraction of rows for calibration.
        segments: `(N,)` segment of each row; equal values if there are no segments.
        rng: the random numbers.
    """
    order = rng.permutation(len(segments))
    order = order[np.argsort(segments[order], kind="stable")]
    # Rounding errors must not change the number of rows if the fraction of all rows is a whole number.
    steps = np.floor(np.arange(len(order) + 1) * fraction + rng.uniform(1e-9, 1 - 1e-9))
    chosen = np.diff(steps) > 0
    return np.sort(order[~chosen]), np.sort(order[chosen])


def advise_for_calibration(
    alpha: float, calibration: Calibration, rows: int, *, items: str = "rows", knows_loo: bool = True
) -> str:
    """Return what to do if a table of `rows` rows has too few calibration rows to flag any row at `alpha`.

    Args:
        alpha: level of the flags.
        calibration: the parameter of the detector.
        rows: rows that were given for the fit.
        items: what the message calls rows.
        knows_loo: whether the detector has leave-one-out calibration.
    """
    needed = rows_needed(alpha)
    setting = f"set calibration={needed}" if needed <= rows // 2 else None
    of_all = max(needed, 3)  # leave-one-out needs three rows
    if calibration == LEAVE_ONE_OUT or (calibration == AUTO and knows_loo):
        return f"give {of_all} {items} or more"
    if calibration == AUTO:
        return f"give {2 * needed} {items} or more"
    if isinstance(calibration, Integral):
        return setting or f"give {2 * needed} {items} or more and set calibration={needed}"
    total = math.ceil(needed / (FIFTH if calibration == LAST else float(calibration)))
    otherwise = f", or {setting}" if setting else ""
    if not setting and knows_loo:  # which also needs a calibration row for each of them
        otherwise = f", or {of_all} {items} or more with calibration='loo'"
        if of_all <= rows:
            otherwise = ", or set calibration='loo'"
    return f"give {total} {items} or more{otherwise}"


def resolve_seed(random_state: int | np.random.RandomState | None) -> int:
    """Return the seed that `random_state` stands for, as in scikit-learn.

    Raises:
        InputError: `random_state` is invalid.
    """
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise InputError(
            f"random_state={random_state!r}: must be a whole number, a RandomState or None"
        ) from error


def resolve_device(name: str) -> torch.device:
    """Return the torch device called `name`. `auto` is the GPU if one is available, and else the CPU.

    Raises:
        InputError: the device does not exist on this machine.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except Exception as error:  # torch raises several unrelated types here
        raise InputError(f"device={name!r}: is not available on this machine; use cpu") from error
    return device
