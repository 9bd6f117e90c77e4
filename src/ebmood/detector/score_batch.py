"""The scores of some rows, with their p-values and flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class ScoreBatch:
    """Results for N rows. `Calibrated` makes them: p-values and flags are computed only there.

    Attributes:
        scores: `(N,)`; higher is more in-distribution.
        p_values: `(N,)` conformal p-values in (0, 1].
        flags: `(N,)` booleans; true for rows that are out-of-distribution at level `alpha` of the detector.
        kept_columns: N rows of columns that are copied from the input; None if no columns are copied.
        errors: what is wrong with bad rows, by their number from 0. Their scores and p-values are NaN. None if bad rows
            are refused.
        reasons: for each row that is flagged the columns that explain it best, the best one first; none for others.
            None if they were not asked for.
        segments: `(N,)` values of the segment column; None if the detector has no segments.
    """

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    flags: NDArray[np.bool_]
    kept_columns: "pyarrow.RecordBatch | None" = None
    errors: Mapping[int, str] | None = None
    reasons: Sequence[tuple[str, ...]] | None = None
    segments: NDArray[np.float64] | None = None

    @property
    def labels(self) -> NDArray[np.int64]:
        """`(N,)`: -1 for flagged rows and 1 for the others, as in scikit-learn."""
        return np.where(self.flags, -1, 1)


def mark_bad_rows(batch: ScoreBatch, errors: Mapping[int, str]) -> ScoreBatch:
    """Return the results without scores, p-values and flags for bad rows.

    Args:
        batch: results for N rows.
        errors: what is wrong with bad rows, by their number from 0.
    """
    bad = np.zeros(len(batch.scores), dtype=bool)
    bad[list(errors)] = True
    return replace(
        batch,
        scores=np.where(bad, np.nan, batch.scores),
        p_values=np.where(bad, np.nan, batch.p_values),
        flags=batch.flags & ~bad,
        errors=errors,
    )
