"""Figures that came with the records: grids of what chains and generators make."""

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
from ebmood.results.drawing import Picture, record_with, shown
from ebmood.results.table import slug
from ebmood.study.records import Record

_MADE_BY = {"chains": "samples of its SGLD chains", "generator": "samples of its generator"}
SIDE = 720
"""Pixels of a picture's longer side, at most: it is seen as it is, and printed sharp."""

_UNSIGNED: Any = {"Software": None}
"""No version of matplotlib in the file: equal records, equal files."""

_PNG = b"\x89PNG\r\n\x1a\n"


def samples(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """Write the pictures of each arm's first seed that has any, every pixel as a square of several.

    Raises:
        EbmoodError: a picture is no PNG in base64.
    """
    for arm in arms:
        if shown(arm, "pictures") is None:
            continue
        record = record_with(arm, "pictures")
        look = [arm.name, *([] if arm.variant == "both" else [arm.variant])]
        look += [] if arm.gamma is None else [f"γ = {arm.gamma:g}"]
        for name, content in record.pictures.items():
            file = f"samples-{stem}-{slug('-'.join(look).replace('γ', 'gamma'))}-{slug(name)}"
            with atomic_path(folder / f"{file}.png") as path:
                path.write_bytes(_enlarged(_png(content, record, name)))
            made_by = _MADE_BY.get(name, name)
            caption = f"{', '.join(look)} on {arm.condition.label}: {made_by} (seed {record.seed})."
            yield Picture(file, caption, svg=False)


def _enlarged(png: bytes) -> bytes:
    """The picture with every pixel as a square, as large as keeps its longer side within `SIDE`; it is never shrunk."""
    from matplotlib.image import imread, imsave

    image = np.rint(imread(io.BytesIO(png), format="png") * 255).astype(np.uint8)  # imsave would cut floats
    image = image if image.ndim == 3 else image[:, :, None].repeat(3, axis=2)
    times = max(1, SIDE // max(image.shape[:2]))
    file = io.BytesIO()
    image = image.repeat(times, axis=0).repeat(times, axis=1)
    imsave(file, image, format="png", metadata=_UNSIGNED)
    return file.getvalue()


def _png(content: str, record: Record, name: str) -> bytes:
    try:
        image = base64.b64decode(content, validate=True)
    except binascii.Error:
        image = b""
    if not image.startswith(_PNG):
        raise EbmoodError(
            f"record {record.key}: its picture {name!r} is no PNG in base64; remove the record's line"
        )
    return image
