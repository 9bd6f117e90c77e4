"""Figures that came with the records: grids of what chains and generators make."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path

from ebmood.errors import EbmoodError
from ebmood.files import atomic_path
from ebmood.results.arms import Arm
from ebmood.results.drawing import Picture, record_with, shown
from ebmood.results.table import slug
from ebmood.study.records import Record

_MADE_BY = {"chains": "samples of its SGLD chains", "generator": "samples of its generator"}
_PNG = b"\x89PNG\r\n\x1a\n"


def samples(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """Write the pictures of each arm's first seed that has any, as they are.

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
                path.write_bytes(_png(content, record, name))
            made_by = _MADE_BY.get(name, name)
            caption = f"{', '.join(look)} on {arm.condition.label}: {made_by} (seed {record.seed})."
            yield Picture(file, caption, svg=False)


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
