"""Rows go through a model in pieces of one fixed length, so that a row's score has the same bits in any company.

Matrix products of different lengths round differently. A calibration row that is scored again alone must tie with
itself, or p-values of discrete tables would hang on the last bit.
"""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PIECE = 512


def in_pieces(
    function: Callable[[Tensor], Tensor], values: NDArray[np.float64], device: torch.device | str
) -> NDArray[np.float64]:
    """`function` of all rows of `values`, without gradients, as float64.

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
    return np.concatenate(done)
