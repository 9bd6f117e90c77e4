"""Replace training rows by centres of clusters, for those who may not share rows."""

import numpy as np
from numpy.typing import NDArray

from ebmood.core.seeding import stream_seed
from ebmood.detector.energy.clusters import k_means
from ebmood.detector.energy.columns import Layout

MAX_PROTOTYPES = 256
"""Prototypes of a class at most."""

MIN_ROWS = 3
"""A prototype is the centre of at least so many rows, unless no cluster has so many."""

Floats = NDArray[np.float64]


def find_prototypes(
    x: Floats, coordinates: Floats, layout: Layout, seed: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Cluster rows by k-means, and return the centres as rows and the number of rows of each.

    A number is the mean over the rows of the cluster, and a category is the most frequent one. A value is missing if it
    is missing in most rows.

    Args:
        x: `(N, D)` training rows.
        coordinates: `(N, E)`, the rows in a view.
        layout: what the columns hold.
        seed: seed of the initial centres.
    """
    distinct = len(np.unique(coordinates, axis=0))
    count = max(1, min(MAX_PROTOTYPES, len(x) // (2 * MIN_ROWS), distinct))
    labels = k_means(coordinates, count, stream_seed(seed, "prototypes"))
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    large = [rows for rows in members if len(rows) >= MIN_ROWS] or members
    centres = np.stack([_centre(x[rows], layout) for rows in large])
    if len(centres) == 1:  # the energies compare prototypes with each other
        centres, large = np.repeat(centres, 2, axis=0), large * 2
    return centres, np.array([len(rows) for rows in large])


def _centre(rows: Floats, layout: Layout) -> Floats:
    missing = np.isnan(rows)
    filled = np.where(missing.all(axis=0), 0.0, rows)
    # Half of the numbers, because a sum of two of them may exceed the range of float64.
    centre = 2 * np.nanmean(filled / 2, axis=0)
    for column in layout.categories:
        present = rows[~missing[:, column], column].astype(np.int64)
        centre[column] = np.bincount(present).argmax() if len(present) else 0
    return np.where(missing.mean(axis=0) > 0.5, np.nan, centre)
