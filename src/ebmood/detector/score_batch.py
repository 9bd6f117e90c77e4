"""The scores of some rows, with their p-values and flags."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class ScoreBatch:
    """Results for N rows. `EnergyDetector.decide` makes them: p-values and flags are computed only there.

    Attributes:
        scores: `(N,)`; higher is more in-distribution.
        p_values: `(N,)` conformal p-values in (0, 1].
        flags: `(N,)` booleans; true for rows that are out-of-distribution at level `alpha` of the detector.
        kept_columns: N rows of columns that are copied from the input; None if no columns are copied.
        segments: `(N,)` values of the segment column; None if the detector has no segments.
    """

    scores: NDArray[np.float64]
    p_values: NDArray[np.float64]
    flags: NDArray[np.bool_]
    kept_columns: "pyarrow.RecordBatch | None" = None
    segments: NDArray[np.float64] | None = None
