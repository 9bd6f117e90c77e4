"""Parameters of the detector, checked when it is fitted: scikit-learn wants constructors that only store."""

import math
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ebmood.core.calibration import rows_needed
from ebmood.core.errors import InputError
from ebmood.core.seeding import numpy_stream


def rows_held_out(calibration: float | int, rows: int) -> int:
    """How many of `rows` are calibration rows; a share is rounded, to one row at least.

    Raises:
        InputError: no share between 0 and 1 and no whole number of 1 or more.
    """
    if isinstance(calibration, Integral) and not isinstance(calibration, bool) and calibration >= 1:
        return int(calibration)
    if isinstance(calibration, Real) and not isinstance(calibration, Integral) and 0 < calibration < 1:
        return max(1, round(float(calibration) * rows))
    raise InputError(
        f"calibration={calibration!r}: must be a share above 0 and below 1, or a number of rows from 1"
    )


def split_rows(calibration: float | int, rows: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `rows` are fitted on, and which are held out for calibration, both ascending.

    Raises:
        InputError: `calibration` is none, or leaves fewer than two rows to fit on.
    """
    held_out = rows_held_out(calibration, rows)
    if rows - held_out < 2:
        sample = "1 sample" if rows == 1 else f"{rows} samples"
        raise InputError(
            f"X: {sample}, of which {held_out} to be held out for calibration; give {held_out + 2} or more, "
            "as at least 2 must be left to fit"
        )
    order = numpy_stream(seed, "calibration").permutation(rows)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def how_to_calibrate(alpha: float, calibration: float | int, rows: int) -> str:
    """What to do where `alpha` needs more calibration rows than were held out of `rows`."""
    needed = rows_needed(alpha)
    more = f"set calibration={needed}" if needed <= rows // 2 else None
    if isinstance(calibration, Integral):
        return f"Do so ({more})." if more else f"Give {2 * needed} rows or more and set calibration={needed}."
    total = math.ceil(needed / float(calibration))
    return f"Give {total} rows or more{f', or {more}' if more else ''}."


def seed_of(random_state: int | np.random.RandomState | None) -> int:
    """The seed that `random_state` comes to, in scikit-learn's sense of it.

    Raises:
        InputError: it is none that scikit-learn takes.
    """
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except ValueError as error:
        raise InputError(
            f"random_state={random_state!r}: must be a whole number, a RandomState or None"
        ) from error


def device_of(name: str) -> torch.device:
    """The torch device called `name`; `auto` is the first GPU where there is one.

    Raises:
        InputError: no such device here.
    """
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.zeros(1, dtype=torch.float64, device=device)
    except (
        Exception
    ) as error:  # torch raises RuntimeError, AssertionError, TypeError, NotImplementedError here
        raise InputError(f"device={name!r}: cannot be used here; cpu always can") from error
    return device
