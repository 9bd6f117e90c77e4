"""Warn of outputs of a network that are valid, but show that something else was meant."""

import math

from torch import Tensor

from ebmood.core.errors import DataWarning, warn

TOLERANCE = 1e-2
"""Largest deviation of the sum of probabilities from 1, for networks that compute in 16 bits."""


def warn_of_logits(logits: Tensor) -> None:
    """Warn if logits `(N, K)` are probabilities or their logarithms.

    The energy of these is the same number for all rows, up to a narrow range, and says nothing.

    Warns:
        DataWarning: they are.
    """
    are_probabilities = bool((logits >= 0).all()) and _is_one(logits.sum(1))
    if are_probabilities or _is_one(logits.exp().sum(1)):
        kind = "probabilities" if are_probabilities else "logarithms of probabilities"
        warn(
            f"the logits of all rows are {kind}, which make the energy of the logits useless; give the outputs of the "
            "network before the softmax",
            DataWarning,
        )


def warn_of_labels(right: int, rows: int, classes: int) -> None:
    """Warn if a network predicts labels no better than chance, up to two standard deviations.

    Args:
        right: rows whose label the network predicts.
        rows: number of rows.
        classes: number K of classes.

    Warns:
        DataWarning: it does.
    """
    chance = 1 / classes
    if right / rows <= chance + 2 * math.sqrt(chance * (1 - chance) / rows):
        warn(
            f"the network predicts the label of {right} of {rows} rows, which is no better than chance with {classes} "
            "classes; check its weights, and that labels count the columns of the logits from 0",
            DataWarning,
        )


def _is_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < TOLERANCE).all())
