"""Read the inputs of a classifier: arrays and tensors in batches, or batches as a data loader yields them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import narwhals.stable.v1 as nw
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ebmood.core.errors import InputError
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import describe_column


@dataclass(frozen=True)
class Batch:
    """Some inputs of a network.

    Attributes:
        x: `(n, *shape)`.
        y: `(n,)` labels, if the batch had some.
    """

    x: Tensor
    y: Tensor | None = None


def read_batches(X: Any, batch_size: int) -> Iterator[Batch]:
    """Yield the inputs in batches.

    Args:
        X: an array or a tensor `(N, *shape)`, nested lists of numbers, or a data frame of numbers; or an iterable of
            batches, such as a `DataLoader`. A batch is an array or a tensor `(n, *shape)`, or a pair (or longer tuple)
            that starts with inputs and labels `(n,)`.
        batch_size: rows in a batch, for arrays and tensors.

    Raises:
        InputError: X is none of these, or a batch is empty or holds no numbers.
    """
    if nw.dependencies.is_into_dataframe(X):
        X = _numbers_of_frame(X)
    elif isinstance(X, list | tuple) and _is_nested_numbers(X):
        X = _numbers_of_lists(X)
    if isinstance(X, np.ndarray | Tensor):
        for start in range(0, len(X) if X.ndim else 1, batch_size):
            yield Batch(_inputs(X[start : start + batch_size] if X.ndim else X, "X"))
    elif isinstance(X, str | bytes | dict) or not isinstance(X, Iterable):
        raise InputError(
            f"X: {type(X).__name__} is not an array, a tensor, or an iterable of batches; give one of them"
        )
    else:
        for number, batch in enumerate(X):
            yield _batch(batch, f"X: batch {number}")


def _numbers_of_frame(X: Any) -> NDArray[np.float64]:
    rows = read_rows(X)
    if rows.levels:
        name = describe_column(min(rows.levels), rows.shape, rows.names)
        raise InputError(f"X: {name}: holds text or categories; a network takes numbers")
    return rows.values


def _is_nested_numbers(X: Any) -> bool:
    """Return whether lists hold lists of numbers, and neither arrays nor tensors. They are then no batches."""
    while isinstance(X, list | tuple) and len(X):
        X = X[0]
    return isinstance(X, Real)


def _numbers_of_lists(X: Any) -> NDArray[Any]:
    try:
        array = np.array(X)
    except ValueError:
        raise InputError("X: nested lists of different lengths; give an array (n, *shape)") from None
    if array.ndim < 2:
        raise InputError(f"X: a list of {len(array)} numbers; give one list for each row")
    return array


def _batch(batch: Any, name: str) -> Batch:
    if not isinstance(batch, tuple | list):
        return Batch(_inputs(batch, name))
    if len(batch) < 2:
        raise InputError(f"{name}: a sequence of {len(batch)} elements; give inputs, or inputs and labels")
    x, y = _inputs(batch[0], name), to_tensor(batch[1])
    if y.shape != (len(x),):
        raise InputError(f"{name}: labels of shape {tuple(y.shape)} for {len(x)} inputs; give one for each")
    return Batch(x, y)


def to_tensor(values: Any) -> Tensor:
    """Return an array, a tensor or numbers as a tensor. An array in memory order of this machine is not copied."""
    if isinstance(
        values, np.ndarray
    ):  # torch refuses other byte orders and steps back, and warns of read-only memory
        values = np.require(values, values.dtype.newbyteorder("="), ["C", "W"])
    return torch.as_tensor(values)


def _inputs(x: Any, name: str) -> Tensor:
    if not isinstance(x, np.ndarray | Tensor):
        raise InputError(f"{name}: {type(x).__name__} is not an array or a tensor (n, *shape)")
    try:
        tensor = to_tensor(x).detach()
    except TypeError as error:
        raise InputError(f"{name}: an array of {getattr(x, 'dtype', '')} values; give numbers") from error
    if not tensor.ndim or not len(tensor):
        raise InputError(f"{name}: no rows; give an array or a tensor (n, *shape)")
    return tensor
