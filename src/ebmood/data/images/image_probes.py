"""Non-natural OOD images: noise, constants, and real images that are not scaled to the units of models."""

from collections.abc import Sequence

import numpy as np

from ebmood.core.seeding import numpy_stream
from ebmood.data.dataset import OODSet

PROBES_VERSION = 1
"""Version of `draw_image_probes`, `unscaled_probe` and `low_level_sets`. Increase it when the images that they return
change.

The cell key of a study contains it, so that a study computes its records again.
"""

MEAN, DEVIATION = 127.5, 60.0
"""Mean and standard deviation of the bytes of `gaussian`."""


def draw_image_probes(rows: int, shape: tuple[int, int, int], seed: int, part: str) -> tuple[OODSet, ...]:
    """Return the three sets of images that the paper defines, uint8.

    - `uniform`: all bytes uniform in 0..255.
    - `gaussian`: all bytes from N(127.5, 60^2), rounded and clipped.
    - `constant`: one colour for the whole image, each channel uniform in 0..255.

    Args:
        rows: number of images in each set.
        shape: shape of one image, `(C, H, W)`.
        seed: seed of the split.
        part: `validation` or `test`; the two have different random streams.
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


def unscaled_probe(natural: Sequence[OODSet], name: str | None) -> tuple[OODSet, ...]:
    """Return the images of a natural set as floats in 0..255, where models expect -1..1.

    Args:
        natural: natural OOD sets, uint8.
        name: name of the set. The first set is used if this is None or does not exist.

    Returns:
        One set, with the name of the natural set and `-unscaled`; no set if `natural` is empty.
    """
    source = next((ood for ood in natural if ood.name == name), next(iter(natural), None))
    if source is None:
        return ()
    return (OODSet(f"{source.name}-unscaled", "non-natural", source.x.astype(np.float32)),)
