"""Rows go through a model in pieces of one fixed length, and scores are rounded: equal rows have equal scores.

Matrix products round differently for other lengths, and some for other places in a piece. A row that is scored again
in other company must tie with itself, or p-values of discrete tables would hang on the last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIECE = 2048
"""Rows: so many that the calls between the arithmetic cost little, so few that one row alone is not dear."""

BITS = 32  # kept of a score, after the point where it is below 1; a double has 52


def in_pieces(
    function: Callable[[Tensor], Tensor], values: NDArray[np.float64], device: torch.device | str
) -> NDArray[np.float64]:
    """`function` of all rows of `values`, without gradients, as float64 to about nine digits.

    Args:
        function: `(PIECE, D) -> (PIECE, ...)`, row by row.
        values: `(N, D)`; the last piece is filled up with copies of its first row.
        device: where the function computes.
    """
    done = []
    with torch.inference_mode():
        for start in range(0, len(values), PIECE):
            piece = torch.tensor(values[start : start + PIECE])  # a copy: the rows may be read-only
            rows = len(piece)
            if rows < PIECE:
                piece = torch.cat([piece, piece[:1].expand(PIECE - rows, -1)])
            done.append(function(piece.to(device))[:rows].double().cpu().numpy())
    return _rounded(np.concatenate(done))


def _rounded(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores on a grid of `2^-32` of their size, or of 1 where they are smaller; far coarser than rounding errors."""
    _, exponent = np.frexp(np.maximum(np.abs(scores), 1.0))
    return np.ldexp(np.round(np.ldexp(scores, BITS - exponent)), exponent - BITS)
