"""Divide rows into clusters, so that new rows can be compared with their centres instead of all rows."""

import warnings

import numpy as np
from numpy.typing import NDArray

from ebmood.core.seeding import stream_seed
from ebmood.core.threads import openmp_threads

MAX_ITERATIONS = 20
"""Iterations of k-means. More hardly change the centres."""


def cluster_rows(coordinates: NDArray[np.float64], count: int, seed: int) -> NDArray[np.int64]:
    """Return the cluster of each row by k-means: numbers below `count`, all of which occur.

    Args:
        coordinates: `(N, E)`, N >= `count`. If there are `count` rows, each is a cluster.
        count: number of clusters.
        seed: seed of the initial centres.
    """
    if len(coordinates) == count:
        return np.arange(count)
    labels = k_means(coordinates, count, stream_seed(seed, "clusters"), MAX_ITERATIONS)
    sizes = np.bincount(labels, minlength=count)
    for empty in np.flatnonzero(sizes == 0):  # equal rows may be several clusters
        largest = sizes.argmax()
        labels[np.flatnonzero(labels == largest)[0]] = empty
        sizes[largest] -= 1
        sizes[empty] += 1
    return labels


def k_means(
    coordinates: NDArray[np.float64], count: int, seed: int, max_iterations: int = 300
) -> NDArray[np.int64]:
    """Return the cluster of each row, `(N, E)` to `(N,)`. Clusters may be empty if there are few distinct rows."""
    from sklearn.cluster import KMeans  # imported here, since only fitting needs it
    from sklearn.exceptions import ConvergenceWarning

    with openmp_threads(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        model = KMeans(count, max_iter=max_iterations, n_init="auto", random_state=seed % 2**32)
        return np.asarray(model.fit(coordinates).labels_, dtype=np.int64)
