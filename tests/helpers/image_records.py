"""Synthetic records of image cells."""

import base64
import struct
import zlib

import numpy as np
from helpers.records import made_record, made_result

from ebmood.study.records import Record

KINDS = {
    "mnist": "natural",
    "notmnist": "natural",
    "uniform": "non-natural",
    "constant": "non-natural",
    "shuffled-patches": "low-level",
    "shuffled-pixels": "low-level",
    "edges": "low-level",
    "flat-colour": "low-level",
}
CONTENTS = [name for name, kind in KINDS.items() if kind == "low-level"]


def made_image(
    method: str,
    seed: int = 0,
    natural: float = 0.6,
    other: float = 0.9,
    gap: float | dict[str, float] = 0.0,
    **changes,
) -> Record:
    """A done record on FMNIST: AUC-PR (ID +) by kind, and scores whose gap to each content set is exactly `gap`.

    AUC-PR with OOD positive is half of it.
    """
    gaps = gap if isinstance(gap, dict) else dict.fromkeys(CONTENTS, gap)
    auprs = {"natural": natural, "non-natural": other, "low-level": 0.123}
    rng = np.random.default_rng(seed)
    inside = rng.normal(-50, 3, 200)
    scores = {"id": inside}
    for name, kind in KINDS.items():
        shift = gaps.get(name, 1.0) * inside.std() if kind == "low-level" else 10.0
        scores[name] = rng.permutation(inside) - shift
    values = {
        "key": f"{method}-{seed}",
        "dataset": "fmnist",
        "family": "flow" if method in ("realnvp", "glow", "radial", "spline") else "energy",
        "results": [made_result(name, auprs[kind], kind=kind) for name, kind in KINDS.items()],
        "scores": {name: tuple(each.tolist()) for name, each in scores.items()},
    }
    return made_record(method, seed, **(values | changes))


def image_seeds(count: int, method: str, natural: float | list[float] = 0.6, **changes) -> list[Record]:
    """Records of seeds 0 to `count` - 1; `natural` is one number, or one for each seed."""
    values = natural if isinstance(natural, list) else [natural] * count
    return [made_image(method, seed, values[seed], **changes) for seed in range(count)]


def png(width: int = 3, height: int = 2) -> str:
    """A grey PNG, in base64."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        )

    rows = b"".join(b"\x00" + bytes(40 * column % 256 for column in range(width)) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


IMAGE_BASE = [0.51, 0.54, 0.49, 0.58, 0.53]
SMALL = {"dataset": "fmnist-small", "small": True}


def image_study(**changes) -> list[Record]:
    """CD with five seeds: plain, on embeddings (+50 %, -10 %), and with two bottlenecks (+20 % and -20 %)."""

    def scaled(factor: float) -> list[float]:
        return [factor * score for score in IMAGE_BASE]

    return [
        *image_seeds(5, "cd", IMAGE_BASE, gap=0.5, **changes),
        *image_seeds(5, "cd", scaled(1.5), other=0.81, embedding="WRN-28-10", **changes),
        *image_seeds(5, "cd", scaled(1.2), other=0.99, bottleneck=0.1, gap=2.0, **changes),
        *image_seeds(5, "cd", scaled(0.8), bottleneck=0.05, gap=0.1, **changes),
        *image_seeds(5, "realnvp", scaled(0.5), **changes),
    ]
