"""A small trained classifier with its outputs for rows of known classes and for other rows."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.core.seeding import global_torch_stream
from ebmood.scores import FitRows, Outputs

CLASSES, COLUMNS, FEATURES = 4, 6, 12


class SmallClassifier(nn.Module):
    """A classifier of rows with a penultimate layer of features that are not negative."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(COLUMNS, 24), nn.ReLU(), nn.Linear(24, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def labelled_rows(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return rows `(N, 6)` of four overlapping classes, float32, and their labels."""
    rng = np.random.default_rng(seed)
    centers = 1.5 * np.random.default_rng(99).normal(size=(CLASSES, COLUMNS))
    labels = rng.integers(0, CLASSES, count)
    rows = centers[labels] + rng.normal(size=(count, COLUMNS))
    return torch.from_numpy(rows).float(), torch.from_numpy(labels)


def other_rows(count: int, seed: int) -> Tensor:
    """Return rows `(N, 6)` of one wide cluster, some near the classes and some far from all."""
    return torch.from_numpy(2.5 * np.random.default_rng(seed).normal(size=(count, COLUMNS))).float()


@cache
def trained_classifier() -> SmallClassifier:
    """Return the classifier after a short training, in evaluation mode."""
    x, y = labelled_rows(400, seed=0)
    with global_torch_stream(5, "small classifier"):
        model = SmallClassifier()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(80):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model.eval().requires_grad_(False)


@dataclass(frozen=True)
class TestOutputs:
    """Outputs of a classifier: rows of the fit, new rows like them, and other rows."""

    __test__ = False

    fit: FitRows
    new: Outputs
    other: Outputs


def outputs_of(model: SmallClassifier, x: Tensor) -> Outputs:
    """Return features and logits in float64."""
    double = model.head.weight.double(), model.head.bias.double()
    features = model.body(x).double()
    return Outputs(features, features @ double[0].T + double[1])


@cache
def classifier_outputs(fit_rows: int = 300, rows: int = 200) -> TestOutputs:
    """Return outputs of the trained classifier for rows that it has not seen."""
    model = trained_classifier()
    x, y = labelled_rows(fit_rows, seed=1)
    fit = outputs_of(model, x)
    return TestOutputs(
        FitRows.of_arrays(fit.features, fit.logits, y, model.head.weight, model.head.bias),
        outputs_of(model, labelled_rows(rows, seed=2)[0]),
        outputs_of(model, other_rows(rows, seed=3)),
    )
