"""Two-dimensional toy data, whose density is easy to plot.

Each toy is a set of curves, squares or centres, with noise. The same geometry defines the region close to the data,
which the natural OOD set `background` excludes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import Dataset
from ebmood.data.source import Source

CLEARANCE = 3.0
"""Distance between the noise-free toy and the background, in standard deviations of the noise."""


class Toy(Source):
    """A labelled two-dimensional data set. Its own seed draws it, so that all seeds of a study use the same rows.

    - `moons`: two interleaved half circles of radius 1, noise 0.1; classes `upper`, `lower`.
    - `rings`: circles of radius 1, 2 and 3, noise 0.08; classes `inner`, `middle`, `outer`.
    - `checkerboard`: the eight dark squares of a 4 x 4 board on [-2, 2]^2, uniform; classes `left`, `right`.
    - `mixture`: eight equally likely Gaussians with standard deviation 0.2 on a circle of radius 2; classes `0` to `7`.

    The natural OOD set is `background`: uniform over the bounding box of the rows, extended by half its width on each
    side, without the points within three standard deviations of the noise from the arcs, rings or centres, or inside
    a dark square. It has a quarter of the number of rows.

    Attributes:
        shape: name of the toy.
        rows: number of in-distribution rows.
        drawn_with: seed of the rows.
    """

    kind: Literal["toy"] = "toy"
    shape: Literal["moons", "rings", "checkerboard", "mixture"] = "moons"
    rows: int = Field(default=2000, ge=20)
    drawn_with: int = 0

    def load(self) -> Dataset:
        """Draw and return the rows."""
        geometry = _GEOMETRIES[self.shape]
        generator = numpy_stream(self.drawn_with, f"toy/{self.shape}")
        x, y = geometry.draw(generator, self.rows)
        background = _draw_background(
            geometry, x, self.rows // 4, numpy_stream(self.drawn_with, f"toy/{self.shape}/ood")
        )
        return Dataset(
            name=self.shape,
            x=x,
            y=y.astype(np.int64),
            classes=geometry.classes,
            natural={"background": background},
            features=("x", "y"),
            source=f"toy {self.shape}, {self.rows} rows, drawn with seed {self.drawn_with}",
        )


@dataclass(frozen=True)
class _Geometry:
    """The geometry of a toy.

    Attributes:
        classes: class names.
        draw: function of a generator and N that returns x `(N, 2)` and y `(N,)`.
        is_close: function of points `(M, 2)` that returns `(M,)` booleans: which points are close to the data.
    """

    classes: tuple[str, ...]
    draw: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
    is_close: Callable[[np.ndarray], np.ndarray]


def _draw_background(
    geometry: _Geometry, x: np.ndarray, rows: int, generator: np.random.Generator
) -> np.ndarray:
    low, high = x.min(axis=0), x.max(axis=0)
    margin = (high - low) / 2
    background = np.empty((0, 2))
    while len(background) < rows:
        points = generator.uniform(low - margin, high + margin, (2 * rows, 2))
        background = np.concatenate([background, points[~geometry.is_close(points)]])
    return background[:rows]


def _on_circle(angle: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


_MOON_NOISE = 0.1
_MOON_CENTRES = np.array([[0.0, 0.0], [1.0, 0.5]])
_MOON_SIDES = np.array([1.0, -1.0])  # the first arc opens downwards, the second upwards


def _draw_moons(generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    y = generator.integers(2, size=rows)
    arc = _on_circle(generator.uniform(0, np.pi, rows)) * np.stack([np.ones(rows), _MOON_SIDES[y]], axis=1)
    return _MOON_CENTRES[y] + arc + _MOON_NOISE * generator.standard_normal((rows, 2)), y


def _is_close_to_moons(points: np.ndarray) -> np.ndarray:
    distances = []
    for centre, side in zip(_MOON_CENTRES, _MOON_SIDES, strict=True):
        from_centre = (points - centre) * [1.0, side]
        to_circle = np.abs(np.linalg.norm(from_centre, axis=1) - 1)
        to_ends = np.linalg.norm(np.abs(from_centre) * [1.0, -1.0] - [1.0, 0.0], axis=1)
        distances.append(np.where(from_centre[:, 1] >= 0, to_circle, to_ends))
    return np.min(distances, axis=0) <= CLEARANCE * _MOON_NOISE


_RING_NOISE = 0.08
_RING_RADII = np.array([1.0, 2.0, 3.0])


def _draw_rings(generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    y = generator.integers(3, size=rows)
    ring = _RING_RADII[y][:, None] * _on_circle(generator.uniform(0, 2 * np.pi, rows))
    return ring + _RING_NOISE * generator.standard_normal((rows, 2)), y


def _is_close_to_rings(points: np.ndarray) -> np.ndarray:
    radius = np.linalg.norm(points, axis=1)
    return np.abs(radius[:, None] - _RING_RADII).min(axis=1) <= CLEARANCE * _RING_NOISE


def _draw_checkerboard(generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    column = generator.integers(4, size=rows)
    row = 2 * generator.integers(2, size=rows) + column % 2
    corner = np.stack([column, row], axis=1) - 2.0
    return corner + generator.uniform(size=(rows, 2)), column // 2


def _is_close_to_checkerboard(points: np.ndarray) -> np.ndarray:
    square = np.floor(points).astype(int)
    on_board = ((square >= -2) & (square < 2)).all(axis=1)
    return on_board & (square.sum(axis=1) % 2 == 0)


_MIXTURE_NOISE = 0.2
_MIXTURE_CENTRES = 2 * _on_circle(2 * np.pi * np.arange(8) / 8)


def _draw_mixture(generator: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    y = generator.integers(8, size=rows)
    return _MIXTURE_CENTRES[y] + _MIXTURE_NOISE * generator.standard_normal((rows, 2)), y


def _is_close_to_mixture(points: np.ndarray) -> np.ndarray:
    to_centres = np.linalg.norm(points[:, None] - _MIXTURE_CENTRES, axis=2)
    return to_centres.min(axis=1) <= CLEARANCE * _MIXTURE_NOISE


_GEOMETRIES = {
    "moons": _Geometry(("upper", "lower"), _draw_moons, _is_close_to_moons),
    "rings": _Geometry(("inner", "middle", "outer"), _draw_rings, _is_close_to_rings),
    "checkerboard": _Geometry(("left", "right"), _draw_checkerboard, _is_close_to_checkerboard),
    "mixture": _Geometry(tuple(str(k) for k in range(8)), _draw_mixture, _is_close_to_mixture),
}
