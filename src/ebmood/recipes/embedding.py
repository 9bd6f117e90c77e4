"""Embeddings: the penultimate features of a classifier instead of pixels.

An embedding maps all arrays of a split, including its OOD sets, so that a recipe for tables can be fitted to images.
Features are scaled to [0, 1] by the training rows, as the protocol scales tables.
"""

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from ebmood.data.dataset import OODSet, Split
from ebmood.recipes.classifier import Classifier, ExternalClassifier, apply_network
from ebmood.training import Report

Embedding = Annotated[Classifier | ExternalClassifier, Field(discriminator="kind")]


def embed_split(
    split: Split,
    embedding: Classifier | ExternalClassifier,
    seed: int,
    device: str,
    report: Report | None = None,
) -> Split:
    """Return the split with features `(N, D)` instead of images, float32, scaled by the training rows.

    Args:
        split: split of images.
        embedding: the classifier whose features are used.
        seed: seed of the cell.
        device: `auto`, `cpu` or `cuda`.
        report: called during the training of the classifier.

    Raises:
        EbmoodError: the classifier cannot be created or trained.
    """
    network = embedding.features(split, seed, device, report)
    train = apply_network(network, split.train_x, device)
    low, span = train.min(0), np.ptp(train, axis=0)
    span[span == 0] = 1.0  # a feature that is constant in training is not scaled

    def embed(x: np.ndarray) -> np.ndarray:
        return (apply_network(network, x, device) - low) / span

    return replace(
        split,
        train_x=(train - low) / span,
        validation_x=embed(split.validation_x),
        test_x=embed(split.test_x),
        validation_ood=tuple(OODSet(ood.name, ood.kind, embed(ood.x)) for ood in split.validation_ood),
        test_ood=tuple(OODSet(ood.name, ood.kind, embed(ood.x)) for ood in split.test_ood),
        scaling=None,
        notes=(*split.notes, f"features of {embedding.name}: {train.shape[1]}"),
    )
