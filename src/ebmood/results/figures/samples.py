"""Figures from the records: grids of samples of chains and generators."""

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path
from ebmood.results.arms import Arm
from ebmood.results.figures.style import Drawing, arms_with
from ebmood.results.text import slug
from ebmood.study.records import Record

_SOURCES = {"chains": "samples of its SGLD chains", "generator": "samples of its generator"}
LONGER_SIDE = 720
"""Largest number of pixels of the longer side of an enlarged grid."""

_METADATA: Any = {"Software": None}
"""No version of matplotlib in the file, so that equal records give equal files."""

_PNG = b"\x89PNG\r\n\x1a\n"


def samples(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Write the sample grids of each arm's first seed that has any, with every pixel enlarged to a square.

    Raises:
        EbmoodError: a grid in a record is not a PNG in base64.
    """
    for arm, record in arms_with(arms, "pictures"):
        for name, content in record.pictures.items():
            file = f"samples-{stem}-{slug(arm.label.replace('γ', 'gamma'))}-{slug(name)}"
            with atomic_path(folder / f"{file}.png") as path:
                path.write_bytes(_enlarged(_decode(content, record, name)))
            source = _SOURCES.get(name, name)
            caption = f"{arm.label} on {arm.condition.label}: {source} (seed {record.seed})."
            yield Drawing(file, caption, svg=False)


def _enlarged(png: bytes) -> bytes:
    """Return the image with every pixel as a square, as large as `LONGER_SIDE` allows; it is never reduced."""
    from matplotlib.image import imread, imsave

    image = np.rint(imread(io.BytesIO(png), format="png") * 255).astype(np.uint8)  # imsave truncates floats
    image = image if image.ndim == 3 else image[:, :, None].repeat(3, axis=2)
    factor = max(1, LONGER_SIDE // max(image.shape[:2]))
    file = io.BytesIO()
    image = image.repeat(factor, axis=0).repeat(factor, axis=1)
    imsave(file, image, format="png", metadata=_METADATA)
    return file.getvalue()


def _decode(content: str, record: Record, name: str) -> bytes:
    try:
        image = base64.b64decode(content, validate=True)
    except binascii.Error:
        image = b""
    if not image.startswith(_PNG):
        raise EbmoodError(
            f"record {record.key}: the picture {name!r} is not a PNG in base64; remove the line of the record"
        )
    return image
