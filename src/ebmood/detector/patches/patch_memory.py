"""A memory of patches: how strange each place of an image is, compared with patches of training images.

A patch is a place of a feature map, averaged with its neighbours (3 x 3). So far this is PatchCore (Roth et al. 2022,
"Towards total recall in industrial anomaly detection", equations 1 to 3). The rest differs from it:

- Each feature is divided by its standard deviation over the training patches.
- The memory is a uniform random sample of the training patches. On the textures of the
  benchmark, a greedy coreset of the same size was not better with the energy below.
- The energy of a patch is the relative distance of `ebmood.models.memory` with a = 1,

      E(x) = log m(x) - log mean_{i in N_k(x)} m(i),

  where m is the mean distance to the k nearest patches in memory. It is the log of a local outlier factor (Breunig et
  al. 2000). PatchCore uses the distance to the nearest patch, which is high at rare but normal places, such as the
  joints of bricks. The energy compares it with the distances that are usual among such places.
- The energies of a place and its neighbours (3 x 3) are averaged.
- The score of an image is minus the mean energy of its strangest 1 % of places, not of a single place.

`benchmarks/patches.py` measures the result, and with `--neighbours 1 --compare 0` that of the nearest patch.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ebmood.core.settings import Settings
from ebmood.models.memory import (
    MemorySettings,
    RelativeDistance,
    leave_one_out,
    squared_distances,
)

SMALLEST_DEVIATION = 1e-6
"""Features that vary less than this fraction of the largest deviation are divided by that."""

CHUNK_PATCHES = 2048
"""Patches of an image whose distances to the memory are computed at once: 50 MB for 3,000 patches in memory."""


class PatchSettings(Settings):
    """Settings of a memory of patches.

    Attributes:
        patches: number of patches in memory, at most.
        neighbours: k, the number of nearest patches.
        compare: a, how much the distances of these patches to each other count; 0 for the plain log distance.
        deciding: fraction of the places of an image whose mean energy is minus its score, the strangest ones.
    """

    patches: int = Field(default=3000, ge=2, le=20_000)
    neighbours: int = Field(default=5, ge=1)
    compare: float = Field(default=1.0, ge=0, le=1)
    deciding: float = Field(default=0.01, ge=0, le=1)


def average_neighbours(maps: Tensor) -> Tensor:
    """Return the mean of each place and its up to eight neighbours: `(N, C, h, w)` to the same shape."""
    return functional.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


def patches_of(maps: Tensor) -> Tensor:
    """Return the patches of maps, row by row: `(N, C, h, w)` to `(N h w, C)`."""
    averaged = average_neighbours(maps)
    return averaged.permute(0, 2, 3, 1).reshape(-1, averaged.shape[1])


class PatchMemory(nn.Module):
    """Energies of the places of feature maps.

    Args:
        patches: number M of patches in memory.
        features: number C of features of a patch.
        settings: k and a.

    Attributes:
        centre: `(C,)`, means of the features.
        scale: `(C,)`, their standard deviations.
        memory: `(M, C)`, standardised patches.
        energy: the relative distance to them.
    """

    centre: Tensor
    scale: Tensor
    memory: Tensor

    def __init__(self, patches: int, features: int, settings: PatchSettings):
        super().__init__()
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("memory", torch.zeros(patches, features))
        self.energy = RelativeDistance(
            patches, MemorySettings(neighbours=settings.neighbours, compare=settings.compare)
        )

    @torch.no_grad()
    def fit(self, patches: Tensor, centre: Tensor, scale: Tensor) -> "PatchMemory":
        """Set the memory: M patches `(M, C)`, and the means and deviations `(C,)` of the features."""
        self.centre.copy_(centre)
        self.scale.copy_(scale.clamp(min=SMALLEST_DEVIATION * float(scale.max()) or 1.0))
        self.memory.copy_(self.standardise(patches))
        rows = self.memory.double()
        self.energy.fit(leave_one_out(squared_distances(rows, rows)))
        return self

    def standardise(self, patches: Tensor) -> Tensor:
        """Return patches in the coordinates of the memory: `(N, C)`."""
        return (patches - self.centre) / self.scale

    @torch.no_grad()
    def forward(self, maps: Tensor) -> Tensor:
        """Return the energies of all places, averaged with their neighbours: `(N, C, h, w)` to `(N, h, w)`.

        Higher is stranger. Every image is computed on its own, so its energies do not depend on the other images of the
        call.
        """
        height, width = maps.shape[2:]
        energies = torch.stack([self._energies(image).reshape(height, width) for image in maps])
        return average_neighbours(energies[:, None])[:, 0]

    def _energies(self, image: Tensor) -> Tensor:
        patches, memory = self.standardise(patches_of(image[None])).double(), self.memory.double()
        parts = [self.energy(squared_distances(part, memory)) for part in patches.split(CHUNK_PATCHES)]
        return torch.cat(parts).float()


def image_energies(energies: Tensor, deciding: float) -> Tensor:
    """Return the mean of the fraction `deciding` of the highest energies: `(N, h, w)` to `(N,)`, at least of one."""
    places = energies.flatten(1)
    return places.topk(max(1, round(deciding * places.shape[1])), dim=1).values.mean(1)
