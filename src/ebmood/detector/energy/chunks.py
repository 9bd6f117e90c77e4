"""Apply a model to rows in chunks of one fixed length and round the scores, so that equal rows have equal scores.

The rounding errors of a matrix product depend on the number of rows, and sometimes on the position of a row. Without
the two measures of this module, a row could have different scores in different batches. Ties between scores and
calibration scores, and with them the p-values of discrete tables, would then depend on rounding errors.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_ROWS = 256
"""Rows in a chunk: enough to make the overhead of a call small, and few enough to score a single row quickly."""

SCORE_BITS = 32
"""Number of binary digits of a rounded score. For scores below 1, it is the number of digits after the binary point."""


def apply_in_chunks(
    function: Callable[[Tensor], Tensor], rows: NDArray[np.float64], device: torch.device | str
) -> NDArray[np.float64]:
    """Return `function` of all rows as float64, without gradients, rounded to about nine digits.

    Args:
        function: maps `(CHUNK_ROWS, D)` to `(CHUNK_ROWS, ...)`, each row independently of the others.
        rows: `(N, D)`. The last chunk is padded with copies of its first row.
        device: the device on which `function` computes.
    """
    results = np.empty(0)
    with torch.inference_mode():
        for start in range(0, len(rows), CHUNK_ROWS):
            chunk = torch.tensor(rows[start : start + CHUNK_ROWS])  # a copy, because `rows` may be read-only
            length = len(chunk)
            if length < CHUNK_ROWS:
                chunk = torch.cat([chunk, chunk[:1].expand(CHUNK_ROWS - length, -1)])
            values = function(chunk.to(device))[:length].double().cpu().numpy()
            if start == 0:
                # One array: small results of many chunks, each between large temporaries, would fragment the memory.
                results = np.empty((len(rows), *values.shape[1:]))
            results[start : start + length] = values
    return round_scores(results)


def round_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round scores to `SCORE_BITS` binary digits, which is much coarser than rounding errors.

    >>> round_scores(np.array([0.1 + 0.2])) == round_scores(np.array([0.3]))
    array([ True])
    """
    _, exponent = np.frexp(np.maximum(np.abs(scores), 1.0))
    return np.ldexp(np.round(np.ldexp(scores, SCORE_BITS - exponent)), exponent - SCORE_BITS)
