"""Read X as the rows that the score model receives, through an embedding if there is one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ebmood.core.errors import InputError
from ebmood.detector.cells.categories import Levels
from ebmood.detector.row_scorer import RowScorer
from ebmood.detector.user_embedding import embed, read_embedding_input, to_module_input
from ebmood.detector.validation.arrays import read_rows
from ebmood.detector.validation.rows import (
    Columns,
    Rows,
    check_complete,
    check_magnitude,
    check_training_columns,
    warn_about_names,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ModelInputs:
    """Validated input, before and after an embedding.

    Attributes:
        rows: the numbers of X; None if an embedding takes inputs that are not numbers.
        features: `(N, E)`, the rows that the model receives. Without an embedding these are `rows.values`.
    """

    rows: Rows | None
    features: Floats

    def take(self, indices: NDArray[np.intp]) -> "ModelInputs":
        """Return some of the rows, in this order."""
        rows = self.rows and replace(self.rows, values=self.rows.values[indices])
        return ModelInputs(rows, self.features[indices])

    @property
    def values(self) -> Floats | None:
        """The flat rows of numbers `(N, D)`, or None."""
        return None if self.rows is None else self.rows.values


def read_training_inputs(X: object, embedding: nn.Module | None, device: torch.device) -> ModelInputs:
    """Read the training rows.

    Raises:
        InputError: X cannot be used, or a value is too large to fit.
    """
    if embedding is None:
        rows = read_rows(X)
        check_training_columns(rows)
        check_magnitude(rows)
        return ModelInputs(rows, rows.values)
    inputs = read_embedding_input(X)
    if inputs.rows is None:
        return ModelInputs(None, embed(embedding, inputs.items, device))
    check_magnitude(check_complete(inputs.rows))
    items = to_module_input(inputs.rows.values, inputs.rows.shape)
    return ModelInputs(inputs.rows, embed(embedding, items, device))


def read_new_inputs(
    X: object, scorer: RowScorer, names: tuple[str, ...] | None, levels: Mapping[int, Levels]
) -> ModelInputs:
    """Read rows to be scored.

    Args:
        X: the rows.
        scorer: the fitted scorer.
        names: column names of the fit, if there were any.
        levels: the levels of the category columns of the fit.

    Raises:
        InputError: X cannot be used, or differs from the input of the fit in kind or columns.
    """
    columns = None if scorer.shape is None else Columns(scorer.shape, names)
    if scorer.embedding is None:
        rows = read_rows(X, levels, columns)
        assert columns is not None
        warn_about_names(rows.columns, columns)
        return ModelInputs(rows, rows.values)
    inputs = read_embedding_input(X, columns)
    if (inputs.rows is None) != (scorer.shape is None):
        raise InputError(
            "X: the detector was fitted on another kind of input: either floating-point numbers, or codes and objects"
        )
    if inputs.rows is not None and columns is not None:
        check_complete(inputs.rows)
        warn_about_names(inputs.rows.columns, columns)
    features = scorer.features(inputs.items if inputs.rows is None else inputs.rows.values)
    if features.shape[1] != scorer.model.features:
        raise InputError(
            f"embed: returned {features.shape[1]} numbers for an input, but {scorer.model.features} at the fit"
        )
    return ModelInputs(inputs.rows, features)
