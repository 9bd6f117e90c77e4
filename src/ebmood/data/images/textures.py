"""Textures made by code, and damage to them: images with known truth for maps of what is wrong.

Every image of a kind differs from the others in its phases, its colours and its noise. The damage has a mask, so that
the maximum of a map can be compared with the truth.
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]

TextureKind = Literal["weave", "wood", "marble", "bricks", "leather", "dots"]
DamageKind = Literal["scratch", "blot", "swapped patch"]

SMALLEST_AREA, LARGEST_AREA = 0.02, 0.10
"""Fractions of the image that damage covers."""

_COLOURS: dict[TextureKind, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "weave": ((70, 80, 110), (170, 175, 190)),
    "wood": ((110, 70, 40), (205, 160, 110)),
    "marble": ((90, 95, 100), (225, 222, 215)),
    "bricks": ((195, 190, 180), (150, 70, 50)),
    "leather": ((60, 40, 30), (130, 95, 70)),
    "dots": ((225, 220, 200), (60, 100, 90)),
}
"""The colours between which the values 0 and 1 of a texture are interpolated."""


def make_textures(kind: TextureKind, count: int, rng: np.random.Generator, size: int = 128) -> Bytes:
    """Return `count` images of a texture: `(count, 3, size, size)`, uint8.

    >>> make_textures("wood", 2, np.random.default_rng(0), 16).shape
    (2, 3, 16, 16)
    """
    return np.stack([_coloured(kind, rng, size) for _ in range(count)])


def damage_images(
    images: Bytes, kind: DamageKind, rng: np.random.Generator, other: Bytes | None = None
) -> tuple[Bytes, Masks]:
    """Return damaged copies of images, and which pixels are damaged: `(N, 3, S, S)` and `(N, S, S)`.

    The area of each damage is uniform between `SMALLEST_AREA` and `LARGEST_AREA`. A scratch is a curved line, lighter
    or darker than the texture. A blot is a round stain of one colour, through which the texture is seen. A swapped
    patch is a rectangle of another texture.

    Args:
        images: `(N, 3, S, S)`, uint8, with S of at least 32.
        kind: what is done to them.
        rng: the source of randomness.
        other: `(N, 3, S, S)` images of another texture, for the swapped patch.
    """
    damaged, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), dtype=bool)
    for index, image in enumerate(images):
        area = rng.uniform(SMALLEST_AREA, LARGEST_AREA)
        if kind == "scratch":
            mask = _scratch(rng, image.shape[1], area)
            shade = rng.choice([-1, 1]) * rng.uniform(40, 90)
            changed = image + shade
        elif kind == "blot":
            mask = _blot(rng, image.shape[1], area)
            stain = rng.uniform(0, 255, (3, 1, 1))
            opacity = rng.uniform(0.4, 0.8)
            changed = opacity * stain + (1 - opacity) * image
        else:
            assert other is not None
            mask = _rectangle(rng, image.shape[1], area)
            changed = other[index]
        damaged[index] = np.where(mask, np.clip(changed, 0, 255), image).astype(np.uint8)
        masks[index] = mask
    return damaged, masks


def _coloured(kind: TextureKind, rng: np.random.Generator, size: int) -> Bytes:
    values = np.clip(_PATTERNS[kind](rng, size), 0, 1)
    low, high = (np.array(colour).reshape(3, 1, 1) for colour in _COLOURS[kind])
    light = rng.uniform(0.92, 1.08)
    pixels = light * (low + (high - low) * values) + rng.normal(0, 4, (3, size, size))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _grid(size: int) -> tuple[Floats, Floats]:
    y, x = np.mgrid[:size, :size].astype(np.float64)
    return y, x


def _smooth_noise(rng: np.random.Generator, size: int, wavelengths: tuple[float, float]) -> Floats:
    """Return Gaussian noise of wavelengths in pixels (along y and x), with mean 0 and deviation 1."""
    frequencies = np.fft.fftfreq(size)
    radius = np.hypot(frequencies[:, None] * wavelengths[0], frequencies[None, :] * wavelengths[1])
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) * np.exp(-2 * radius**2)
    noise = np.fft.ifft2(spectrum).real
    return (noise - noise.mean()) / noise.std()


def _weave(rng: np.random.Generator, size: int) -> Floats:
    y, x = _grid(size)
    period, (a, b) = rng.uniform(7.5, 8.5), rng.uniform(0, 2 * np.pi, 2)
    bend = 0.4 * _smooth_noise(rng, size, (24, 24))
    warp, weft = np.sin(2 * np.pi * x / period + a + bend), np.sin(2 * np.pi * y / period + b + bend)
    over = np.sin(np.pi * x / period + a / 2) * np.sin(np.pi * y / period + b / 2) > 0
    return 0.5 + 0.25 * np.where(over, warp, weft) + 0.2 * np.where(over, 1, -1) * 0.5


def _wood(rng: np.random.Generator, size: int) -> Floats:
    _, x = _grid(size)
    bend = 5 * _smooth_noise(rng, size, (90, 20))
    rings = np.sin(2 * np.pi * (x + bend) / rng.uniform(13, 17) + rng.uniform(0, 2 * np.pi))
    return 0.5 + 0.25 * rings + 0.12 * _smooth_noise(rng, size, (24, 2))


def _marble(rng: np.random.Generator, size: int) -> Floats:
    y, x = _grid(size)
    angle = rng.uniform(0, np.pi)
    bend = 1.6 * _smooth_noise(rng, size, (40, 40)) + 0.5 * _smooth_noise(rng, size, (12, 12))
    veins = np.abs(np.sin(np.pi * (np.cos(angle) * x + np.sin(angle) * y) / 45 + bend))
    return 0.25 + 0.6 * np.sqrt(veins) + 0.05 * _smooth_noise(rng, size, (4, 4))


def _bricks(rng: np.random.Generator, size: int) -> Floats:
    y, x = _grid(size)
    height, width = 16, 32
    dy, dx = rng.uniform(0, height), rng.uniform(0, width)
    row = np.floor((y + dy) / height)
    shifted = x + dx + (row % 2) * width / 2
    column = np.floor(shifted / width)
    mortar = ((y + dy) % height < 2.5) | (shifted % width < 2.5)
    shades = rng.uniform(0.7, 1.0, (size // height + 3, size // width + 4))
    brick = shades[row.astype(int), column.astype(int)] + 0.05 * _smooth_noise(rng, size, (3, 3))
    return np.where(mortar, 0.1 + 0.04 * _smooth_noise(rng, size, (2, 2)), brick)


def _leather(rng: np.random.Generator, size: int) -> Floats:
    cells = np.abs(_smooth_noise(rng, size, (9, 9)))
    return 0.25 + 0.3 * np.sqrt(cells) + 0.06 * _smooth_noise(rng, size, (3, 3))


def _dots(rng: np.random.Generator, size: int) -> Floats:
    y, x = _grid(size)
    period, (dy, dx) = 16, rng.uniform(0, 16, 2)
    jitter = rng.uniform(-1.5, 1.5, (2, size // period + 3, size // period + 3))
    row, column = np.floor((y + dy) / period).astype(int), np.floor((x + dx) / period).astype(int)
    distance = np.hypot(
        (y + dy) % period - period / 2 - jitter[0, row, column],
        (x + dx) % period - period / 2 - jitter[1, row, column],
    )
    return 1 / (1 + np.exp(2 * (distance - 4.5)))


_PATTERNS: dict[TextureKind, Callable[[np.random.Generator, int], Floats]] = {
    "weave": _weave,
    "wood": _wood,
    "marble": _marble,
    "bricks": _bricks,
    "leather": _leather,
    "dots": _dots,
}

TEXTURES: tuple[TextureKind, ...] = get_args(TextureKind)
DAMAGES: tuple[DamageKind, ...] = get_args(DamageKind)


def _nearest_pixels(distance: Floats, area: float) -> Masks:
    """Return the fraction `area` of all pixels with the smallest values."""
    return distance <= np.partition(distance.ravel(), int(area * distance.size))[int(area * distance.size)]


def _scratch(rng: np.random.Generator, size: int, area: float) -> Masks:
    y, x = _grid(size)
    ends = rng.uniform(0.1, 0.9, (2, 2)) * size
    while np.hypot(*(ends[0] - ends[1])) < 0.5 * size:
        ends = rng.uniform(0.1, 0.9, (2, 2)) * size
    middle = ends.mean(0) + rng.normal(0, 0.08 * size, 2)
    t = np.linspace(0, 1, 40)[:, None]
    curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
    distance = np.hypot(y[..., None] - curve[:, 0], x[..., None] - curve[:, 1]).min(-1)
    return _nearest_pixels(distance, area)


def _blot(rng: np.random.Generator, size: int, area: float) -> Masks:
    y, x = _grid(size)
    centre = rng.uniform(0.2, 0.8, 2) * size
    distance = np.hypot(y - centre[0], x - centre[1]) / size
    return _nearest_pixels(distance + 0.02 * _smooth_noise(rng, size, (16, 16)), area)


def _rectangle(rng: np.random.Generator, size: int, area: float) -> Masks:
    ratio = rng.uniform(0.6, 1.6)
    height = round(size * np.sqrt(area * ratio))
    width = round(size * size * area / height)
    top, left = rng.integers(0, size - height + 1), rng.integers(0, size - width + 1)
    mask = np.zeros((size, size), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask
