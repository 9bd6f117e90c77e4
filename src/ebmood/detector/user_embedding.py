"""Anything at all, through a `torch.nn.Module` of the user's: what it returns is the row that the detector sees."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ebmood.core.errors import InputError
from ebmood.detector.io.arrays import Rows, read_rows

PIECE = 512  # inputs that a user's module sees at a time, always so many; images need memory
TOLERATED = 100.0  # training ranges; an embedding may flatten anything beyond


@dataclass(frozen=True)
class Objects:
    """Input of an embedding: numbers, or else whatever the module takes.

    Attributes:
        rows: floating-point numbers; the module gets them as float32 in their own shape. None for anything else.
        items: `(N, ...)` tensor of codes, or a list of N things; empty where there are rows.
    """

    rows: Rows | None
    items: Tensor | list[Any]


def read_objects(X: Any) -> Objects:
    """X for an embedding: numbers of arrays and data frames checked; tensors of codes and lists of others as they are.

    Raises:
        InputError: numbers that are not finite, nothing at all, or no sequence.
    """
    if isinstance(X, Tensor) and X.ndim and not X.is_floating_point() and len(X):
        return Objects(None, X.detach())  # whole numbers are codes, of words say: noise would be no input
    if isinstance(X, Tensor) or nw.dependencies.is_into_dataframe(X) or _numeric(X):
        return Objects(read_rows(X), [])
    if isinstance(X, (str, bytes)) or not isinstance(X, (Sequence, np.ndarray)) or not len(X):
        raise InputError(
            f"X: {type(X).__name__} is no sequence of inputs for embed=; give an array or a list"
        )
    return Objects(None, list(X))


def as_items(values: NDArray[np.float64], shape: tuple[int, ...]) -> Tensor:
    """Flat float64 rows as what a module takes: float32, in their own shape."""
    largest = np.finfo(np.float32).max
    return torch.from_numpy(values.clip(-largest, largest).astype(np.float32)).reshape(-1, *shape)


def frozen_copy(module: nn.Module, device: torch.device | str) -> nn.Module:
    """The user's module as it is now, for good: in evaluation mode, without gradients."""
    return copy.deepcopy(module).to(device).eval().requires_grad_(False)


def embed(module: nn.Module, items: Tensor | list[Any], device: torch.device | str) -> NDArray[np.float64]:
    """`module` of all items, flattened to `(N, E)`, in pieces of one length like all scores.

    Raises:
        InputError: the module returns no tensor with a finite row for each item.
    """
    done = []
    with torch.inference_mode():
        for start in range(0, len(items), PIECE):
            piece = items[start : start + PIECE]
            rows = len(piece)
            if isinstance(piece, Tensor):
                piece = torch.cat([piece, piece[:1].expand(PIECE - rows, *piece.shape[1:])]).to(device)
            else:
                piece = piece + piece[:1] * (PIECE - rows)
            out = module(piece)
            if not isinstance(out, Tensor) or out.ndim < 2 or len(out) != PIECE:
                got = (
                    f"a tensor of shape {tuple(out.shape)}" if isinstance(out, Tensor) else type(out).__name__
                )
                raise InputError(
                    f"embed: gave {got} for {PIECE} inputs; it must give one row for each, (N, E)"
                )
            done.append(out[:rows].flatten(1).double().cpu().numpy())
    values = np.concatenate(done)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(
            f"embed: gives NaN or infinity for row {row}; is that input what the module expects?"
        )
    return values


def within_reach(values: NDArray[np.float64], ranges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows `(N, D)` drawn back to `TOLERATED` training ranges, so that no module is asked about 1e300."""
    margin = TOLERATED * widths(ranges)
    return np.clip(values, ranges[0] - margin, ranges[1] + margin)


def out_of_reach(
    scores: NDArray[np.float64],
    values: NDArray[np.float64],
    ranges: NDArray[np.float64],
    lowest: float,
) -> NDArray[np.float64]:
    """Scores, lowered where an input is so far out that a module which saturates could call it ordinary.

    Args:
        scores: `(N,)` of the embedded rows.
        values: `(N, D)`, the rows before the embedding.
        ranges: `(2, D)` lowest and highest training value of each feature.
        lowest: the lowest score of a training row; rows beyond `TOLERATED` ranges end below it.
    """
    excess = ranges_outside(values, ranges)
    below = lowest - np.log(np.maximum(excess / TOLERATED, 1.0))
    return np.where(excess > TOLERATED, np.minimum(scores, below), scores)


def ranges_outside(values: NDArray[np.float64], ranges: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many training ranges each row lies outside, in the feature where that is most: `(N, D) -> (N,)`."""
    low, high = ranges
    with np.errstate(over="ignore"):
        outside = np.maximum(low - values, values - high) / widths(ranges)
    return np.clip(outside, 0.0, 1e300).max(axis=1)


def widths(ranges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The width of each feature's training range; 1 for a constant feature."""
    width = ranges[1] - ranges[0]
    return np.where(width > 0, width, 1.0)


def _numeric(X: Any) -> bool:
    try:
        return np.asarray(X).dtype.kind in "fbiu"
    except (ValueError, TypeError):
        return False
