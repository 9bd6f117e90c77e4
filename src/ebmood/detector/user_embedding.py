"""Embeddings: a `torch.nn.Module` of the user maps inputs of any kind to the rows that the score model receives."""

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
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import Columns, Rows

CHUNK_ITEMS = 512
"""Number of inputs in every call of a user's module. It is constant for the reason given in
`ebmood.detector.energy.chunks`, and smaller than there because images need memory."""


@dataclass(frozen=True)
class EmbeddingInput:
    """Input of an embedding: either numbers, or other objects that the module accepts.

    Attributes:
        rows: floating-point numbers, which the module receives as float32 in their original shape. None for other
            objects.
        items: `(N, ...)` tensor of whole numbers, or a list of N objects. Empty if `rows` is set.
    """

    rows: Rows | None
    items: Tensor | list[Any]


def read_embedding_input(X: Any, columns: Columns | None = None) -> EmbeddingInput:
    """Read X for an embedding.

    Arrays and data frames of numbers are validated. Tensors of whole numbers and lists of objects are passed on.

    Args:
        X: the inputs.
        columns: the columns of the fit, with which those of X are compared; None for training inputs.

    Raises:
        InputError: the columns differ, a number is not finite, X is empty, or X is not a sequence.
    """
    if isinstance(X, Tensor) and X.ndim and not X.is_floating_point() and len(X):
        # Whole numbers are codes, of words for example. They have no ranges, so the self-test leaves them out.
        return EmbeddingInput(None, X.detach())
    if isinstance(X, Tensor) or nw.dependencies.is_into_dataframe(X) or _is_numeric(X):
        return EmbeddingInput(read_rows(X, columns=columns), [])
    if isinstance(X, (str, bytes)) or not isinstance(X, (Sequence, np.ndarray)) or not len(X):
        raise InputError(
            f"X: {type(X).__name__} is not a sequence of inputs for embed=; give an array or a list"
        )
    return EmbeddingInput(None, list(X))


def to_module_input(values: NDArray[np.float64], shape: tuple[int, ...]) -> Tensor:
    """Return flat float64 rows `(N, D)` as a float32 tensor `(N, *shape)`."""
    largest = np.finfo(np.float32).max
    return torch.from_numpy(values.clip(-largest, largest).astype(np.float32)).reshape(-1, *shape)


def frozen_copy(module: nn.Module, device: torch.device | str) -> nn.Module:
    """Return a copy of a module on `device`, in evaluation mode and without gradients."""
    return copy.deepcopy(module).to(device).eval().requires_grad_(False)


def embed(module: nn.Module, items: Tensor | list[Any], device: torch.device | str) -> NDArray[np.float64]:
    """Return the outputs of `module` for all items, flattened to `(N, E)`.

    Raises:
        InputError: the module does not return a tensor with one finite row for each item.
    """
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(items), CHUNK_ITEMS):
            chunk = items[start : start + CHUNK_ITEMS]
            output = _check_output(module(_padded(chunk, device)))
            outputs.append(output[: len(chunk)].flatten(1).double().cpu().numpy())
    values = np.concatenate(outputs)
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise InputError(
            f"embed: returns NaN or infinity for row {row}; check that the module accepts this input"
        )
    return values


def _padded(chunk: Tensor | list[Any], device: torch.device | str) -> Tensor | list[Any]:
    """Return the chunk with copies of its first item appended, so that it has `CHUNK_ITEMS` items."""
    padding = CHUNK_ITEMS - len(chunk)
    if isinstance(chunk, Tensor):
        return torch.cat([chunk, chunk[:1].expand(padding, *chunk.shape[1:])]).to(device)
    return chunk + chunk[:1] * padding


def _check_output(output: Any) -> Tensor:
    if isinstance(output, Tensor) and output.ndim >= 2 and len(output) == CHUNK_ITEMS:
        return output
    kind = f"a tensor of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
    raise InputError(
        f"embed: returned {kind} for {CHUNK_ITEMS} inputs; it must return one row for each, (N, E)"
    )


def _is_numeric(X: Any) -> bool:
    try:
        return np.asarray(X).dtype.kind in "fbiu"
    except (ValueError, TypeError):
        return False
