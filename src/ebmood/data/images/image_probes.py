"""Non-natural images: noise, one colour, and real images that nobody scaled."""

from collections.abc import Sequence

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

PROBES_VERSION = 1
"""Increased whenever the probes of a seed change."""

MEAN, DEVIATION = 127.5, 60.0


def draw_image_probes(rows: int, shape: tuple[int, int, int], seed: int, part: str) -> tuple[OODSet, ...]:
    """Three sets of `rows` images of bytes, as the paper defines them.

    `uniform`: every byte from 0 to 255 alike. `gaussian`: every byte from N(127.5, 60^2), rounded and clipped.
    `constant`: one colour over the image, each channel from 0 to 255 alike.

    Args:
        rows: number of images in each set.
        shape: `(C, H, W)` of one image.
        seed: of the split.
        part: `validation` or `test`; each has streams of its own.
    """
    uniform = numpy_stream(seed, f"probes/{part}/uniform").integers(0, 256, (rows, *shape), dtype=np.uint8)
    normal = numpy_stream(seed, f"probes/{part}/gaussian").standard_normal((rows, *shape), dtype=np.float32)
    gaussian = np.clip(np.rint(MEAN + DEVIATION * normal), 0, 255).astype(np.uint8)
    colour = numpy_stream(seed, f"probes/{part}/constant").integers(
        0, 256, (rows, shape[0], 1, 1), dtype=np.uint8
    )
    constant = np.ascontiguousarray(np.broadcast_to(colour, (rows, *shape)))
    sets = {"uniform": uniform, "gaussian": gaussian, "constant": constant}
    return tuple(OODSet(name, "non-natural", x) for name, x in sets.items())


def unscaled(natural: Sequence[OODSet], wanted: str | None) -> tuple[OODSet, ...]:
    """The images of one natural set as floats 0 to 255, where models expect -1 to 1; none without a natural set.

    Args:
        natural: sets of bytes.
        wanted: the name of one; the first is taken where it is None or not there. The name of what comes back
            says which one it was.
    """
    chosen = next((ood for ood in natural if ood.name == wanted), next(iter(natural), None))
    if chosen is None:
        return ()
    return (OODSet(f"{chosen.name}-unscaled", "non-natural", chosen.x.astype(np.float32)),)
