"""A bounded sample of the patches of many images, and the moments of all of them."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from ebmood.core.seeding import numpy_stream, stream_seed
from ebmood.detector.patches.patch_memory import patches_of
from ebmood.embedders.embedder import Features

MIN_IMAGES = 3
"""A prototype is the centre of patches of at least so many images."""

MAX_PROTOTYPES = 512
"""Prototypes at most."""

CANDIDATES = 30_000
"""Patches of which prototypes are the centres of clusters, at most."""


@dataclass
class PatchSample:
    """Collects a random sample of patches, the same number of each image, and the moments of all patches.

    Attributes:
        size: number of patches to collect, at most.
        images: number of images that will be added.
        seed: seed of the sample.
    """

    size: int
    images: int
    seed: int
    _patches: list[Tensor] = field(default_factory=list)
    _sources: list[NDArray[np.intp]] = field(default_factory=list)
    _scaler: StandardScaler = field(default_factory=StandardScaler)

    def __post_init__(self):
        self._rng = numpy_stream(self.seed, "patches")

    def add(self, maps: Features) -> None:
        """Add the maps of some images, `(n, C, h, w)`."""
        for image in torch.from_numpy(maps):
            patches = patches_of(image[None])
            wanted = min(len(patches), -(-self.size // self.images))
            chosen = np.sort(self._rng.permutation(len(patches))[:wanted])
            self._sources.append(np.full(wanted, len(self._patches)))
            self._patches.append(patches[torch.from_numpy(chosen)])
            self._scaler.partial_fit(patches.double().numpy())

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return means and standard deviations of the features of all patches, `(C,)` each."""
        mean, variance = self._scaler.mean_, self._scaler.var_
        assert mean is not None
        assert variance is not None
        return torch.from_numpy(mean).float(), torch.from_numpy(variance).sqrt().float()

    def patches(self) -> tuple[Tensor, NDArray[np.intp]]:
        """Return the patches `(M, C)` and the number of the image of each `(M,)`."""
        patches, sources = torch.cat(self._patches), np.concatenate(self._sources)
        if len(patches) > self.size:
            kept = np.sort(self._rng.permutation(len(patches))[: self.size])
            patches, sources = patches[torch.from_numpy(kept)], sources[kept]
        return patches, sources


def find_patch_prototypes(patches: Tensor, sources: NDArray[np.intp], seed: int) -> Tensor:
    """Return centres of clusters of patches, `(K, C)`, each of patches of at least `MIN_IMAGES` images.

    Args:
        patches: `(M, C)` patches in the coordinates in which their distances are compared.
        sources: `(M,)` number of the image of each.
        seed: seed of the first centres.
    """
    from sklearn.cluster import MiniBatchKMeans  # imported here, since only fitting needs it

    x = patches.numpy()
    count = min(MAX_PROTOTYPES, max(2, len(x) // 20))
    k_means = MiniBatchKMeans(
        count, n_init="auto", random_state=stream_seed(seed, "patch prototypes") % 2**32
    )
    labels = np.asarray(k_means.fit(x).labels_)
    clusters = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    large = [rows for rows in clusters if len(np.unique(sources[rows])) >= MIN_IMAGES]
    return torch.from_numpy(np.stack([x[rows].mean(0) for rows in large])) if large else patches[:0]
