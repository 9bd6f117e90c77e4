"""Leave the strangest training rows out before a fit, when some of them may be outliers."""

from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError

Contamination = float | Literal["auto"] | None
"""A fraction of the training rows, `auto`, or None to keep all."""

FAR = 3.5
"""With `auto`, rows further below the median score than this many times the 20th percentile are left out."""

LISTED = 10
"""The strangest training rows that a detector lists."""


def check_contamination(contamination: Contamination) -> None:
    """Check the parameter.

    Raises:
        InputError: it is neither None, `auto`, nor a fraction of at most one half.
    """
    if contamination is None or contamination == "auto":
        return
    is_fraction = isinstance(contamination, Real) and not isinstance(contamination, bool)
    if not is_fraction or not 0 < float(contamination) <= 0.5:
        raise InputError(
            f"contamination={contamination!r}: must be a fraction above 0 and at most 0.5, 'auto' or None"
        )


def count_contaminated(scores: NDArray[np.float64], contamination: float | Literal["auto"]) -> int:
    """Return how many of the rows with these leave-one-out scores are left out.

    A fraction is rounded. `auto` counts the scores that lie `FAR` times as far below the median as the 20th percentile.

    >>> count_contaminated(np.array([-9.0, *np.linspace(-1, 1, 99)]), "auto")
    1
    """
    if contamination == "auto":
        low, median = np.quantile(scores, [0.2, 0.5])
        return int((scores < median - FAR * (median - low)).sum())
    return round(float(contamination) * len(scores))


def strangest(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the indices of the `count` lowest scores, the lowest first."""
    return np.argsort(scores, kind="stable")[:count]
