"""Leave the strangest training rows out before a fit, when some of them may be outliers.

Outliers resemble each other, so k nearest neighbours of an outlier may all be outliers, and it looks ordinary. Further
energies therefore use as many neighbours as there may be outliers, and several times as many. The strangest rows are
then left out.
"""

from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface

Contamination = float | Literal["auto"] | None
"""A fraction of the training rows, `auto`, or None to keep all."""

FAR = 3.5
"""With `auto`, rows further below the median score than this many times the 20th percentile are left out."""

NEIGHBOURS_PER_OUTLIER = (1.0, 5.0)
"""Numbers of neighbours of the further energies, as multiples of the number of outliers that there may be."""

AUTO_FRACTION = 0.05
"""With `auto`, the fraction of outliers that there may be."""

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
        words = for_interface("or auto", "'auto' or None")
        raise InputError(
            f"contamination={contamination!r}: must be a fraction above 0 and at most 0.5, {words}"
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


def further_neighbours(rows: int, contamination: float | Literal["auto"], least: int) -> tuple[int, ...]:
    """Return numbers of neighbours of further energies of rows that may be contaminated, ascending, all above `least`.

    >>> further_neighbours(1000, 0.05, least=5)
    (50, 250)
    """
    fraction = AUTO_FRACTION if contamination == "auto" else float(contamination)
    counts = {round(multiple * fraction * rows) for multiple in NEIGHBOURS_PER_OUTLIER}
    return tuple(sorted(count for count in counts if count > least))


def strangest(scores: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Return the indices of the `count` lowest scores, the lowest first."""
    return np.argsort(scores, kind="stable")[:count]
