"""Input complexity: the log-density corrected by the length of a general-purpose code.

    score(x) = log p(x) + L(x),   L(x) = min over codes of the length of the code of x, in nats

(Serra et al. 2020, "Input complexity and out-of-distribution detection with likelihood-based generative models", eq. 1
with the opposite sign.) A flow gives simple images a high density whatever they show. L is small for these, so the sum
compares the model with a code that knows nothing of the data. It adds two lengths, so log p must be in nats: the scale
of an energy is unknown. A constant of either term does not change the order of the scores.
"""

import io
import math
import zlib
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from ebmood.core.errors import EbmoodError, InputError
from ebmood.density_scores.score import DensityScore, FittedScore, ScoredModel
from ebmood.models import DensityScorer

NATS_PER_BYTE = 8 * math.log(2)


def deflate_bytes(image: np.ndarray) -> int:
    """Return the bytes of an image `(H, W, C)`, uint8, after deflate at its highest level (RFC 1950)."""
    return len(zlib.compress(image.tobytes(), 9))


def png_bytes(image: np.ndarray) -> int:
    """Return the bytes of an image `(H, W, C)`, uint8, as an optimised PNG file.

    Raises:
        InputError: PNG does not hold C channels.
        EbmoodError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise EbmoodError("the code 'png' needs Pillow: pip install 'ebmood[vision]'") from error
    if image.shape[2] not in (1, 3):
        raise InputError(
            f"the code 'png' takes images with 1 or 3 channels, not {image.shape[2]}; use 'deflate'"
        )
    file = io.BytesIO()
    Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(file, "PNG", optimize=True)
    return file.tell()


Code = Literal["png", "deflate"]
CODES: dict[Code, Callable[[np.ndarray], int]] = {"png": png_bytes, "deflate": deflate_bytes}
"""The codes, by name: an image to its length in bytes."""


def as_bytes(x: np.ndarray) -> np.ndarray:
    """Return images as bytes `(N, H, W, C)`.

    Args:
        x: images `(N, C, H, W)`: uint8, or floats in [-1, 1]. Floats are rounded to the nearest byte; values outside
            become 0 or 255.
    """
    if x.dtype != np.uint8:
        x = np.round((np.clip(x, -1, 1) + 1) * 127.5).astype(np.uint8)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def code_lengths(x: np.ndarray, codes: tuple[Code, ...]) -> np.ndarray:
    """Return the length of the shortest code of each image, in nats: `(N, C, H, W) -> (N,)`."""
    lengths = [min(CODES[code](image) for code in codes) for image in as_bytes(x)]
    return NATS_PER_BYTE * np.array(lengths, dtype=np.float64)


class InputComplexityScore(FittedScore):
    """The sum of the log-density and of the length of a code.

    Args:
        scorer: the trained model.
        codes: names of the codes; the shortest one counts.
    """

    def __init__(self, scorer: DensityScorer, codes: tuple[Code, ...]):
        super().__init__(scorer)
        self.codes = codes

    def score(self, x: np.ndarray, log_density: np.ndarray) -> np.ndarray:
        """Implement `FittedScore.score` for images `(N, C, H, W)`."""
        return log_density + code_lengths(x, self.codes)


class InputComplexity(DensityScore):
    """Settings of input complexity; the formula is in the module's docstring.

    Attributes:
        codes: `png` (deflate after a prediction from neighbouring pixels) and `deflate` (of the plain bytes). With
            several codes, the shortest one of each image counts.
    """

    kind: Literal["input-complexity"] = "input-complexity"
    codes: Annotated[
        tuple[Code, ...],
        BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
        Field(min_length=1),
    ] = ("png",)
    needs_normalised = True
    needs_images = True

    @property
    def title(self) -> str:
        """Implement `AnyScore.title`."""
        return f"input complexity ({', '.join(self.codes)})"

    def fit(self, scorer: DensityScorer, train_x: np.ndarray) -> InputComplexityScore:
        """Implement `DensityScore.fit`. Nothing is fitted."""
        name = type(scorer.model).__name__
        self.check(ScoredModel(name, scorer.normalised, images=train_x.ndim == 4, classes=0))
        return InputComplexityScore(scorer, self.codes)
