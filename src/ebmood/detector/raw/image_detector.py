"""A detector of images in folders. An `EnergyDetector` sees the bytes of small images, or features of an embedder.

Without an embedder, each image is resized to the shape `(C, S, S)`: S pixels per side, in colour if any training image
is in colour. With an embedder, it is resized to the size of the embedder, in colour. Images may differ in size;
`ebmood.data.images.resize` describes how each is resized. The scores are returned with the paths of the images.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from ebmood.core.errors import EbmoodError, InputError, setting_problem
from ebmood.core.interface import for_interface
from ebmood.core.settings import Settings
from ebmood.data.images.readers import open_image
from ebmood.data.images.resize import RULE, resize_image
from ebmood.detector.error_context import name_source
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.image_stream import FILE_COLUMN, ImageStream, file_texts
from ebmood.detector.item_embedding import EmbeddedItems, find_embedder
from ebmood.detector.parameters import check_alpha_and_device
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.items import IMAGE_NOTE
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders import ImageEmbedder
from ebmood.embedders.images import EncodedImage, embed_images

DEFAULT_SIZE = 16
"""Pixels per side by default. Distances grow with the square of the size, and the whitening with a higher power."""


class ImageShape(Settings):
    """The shape to which images are resized.

    Attributes:
        channels: 1 for greyscale, 3 for colour.
        size: pixels per side.
        rule: version of the resizing rule in `ebmood.data.images.resize`.
    """

    channels: Literal[1, 3]
    size: int = Field(ge=1, le=4096)
    rule: str = RULE


@dataclass(frozen=True)
class ImageDetector:
    """A detector of images.

    Attributes:
        estimator: fitted on bytes `(N, C, S, S)`, or with an embedder.
        shape: C and S; with an embedder, the shape that it receives.
        images: number of images in the training folder.
    """

    estimator: EnergyDetector
    shape: ImageShape
    images: int

    @classmethod
    def fit(
        cls,
        estimator: EnergyDetector,
        stream: ImageStream,
        size: int = DEFAULT_SIZE,
        progress: ProgressCallback = ignore_progress,
    ) -> Self:
        """Read a folder and fit an estimator on it.

        Args:
            estimator: not yet fitted, not supervised. Its parameter `embed` may be an embedder of images.
            stream: images that are assumed to be in-distribution.
            size: pixels per side, without an embedder.
            progress: called with the progress of reading and fitting.

        Raises:
            EbmoodError: the folder or a parameter cannot be used.
        """
        device = check_alpha_and_device(estimator.alpha, estimator.device)
        if estimator.supervised:
            raise InputError(
                f"{stream.source}: classes of images are not learned from a folder; "
                f"{for_interface('leave --supervised out', 'set supervised=False')}"
            )
        embedder = find_embedder(estimator.embed, str(device))
        if embedder is not None and not isinstance(embedder, ImageEmbedder):
            raise InputError(
                f"{stream.source}: images, but {embedder.identity.name} embeds texts; name another"
            )
        if embedder is not None:
            estimator.embed = embedder  # opened once
            shape = ImageShape(channels=3, size=embedder.image_size)
            x = read_features(stream, embedder, progress)[0]
        else:
            x = _read_training_images(stream, size, progress)
            shape = ImageShape(channels=3 if x.shape[1] == 3 else 1, size=size)
        with name_source(stream.source):
            progress("fitting", None)
            estimator.fit(x)
        return cls(estimator, shape, len(x))

    def save(self, folder: Path) -> None:
        """Write estimator and shape to a folder, as `EnergyDetector.save` does.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        self.estimator.save(folder, {IMAGE_NOTE: self.shape.model_dump(mode="json"), "rows": self.images})

    @classmethod
    def from_estimator(cls, folder: Path, estimator: EnergyDetector) -> Self:
        """Return the detector for an estimator that was loaded from `folder`.

        Raises:
            EbmoodError: it was not fitted on a folder of images.
        """
        shape, embedder = read_shape(folder, estimator.notes_), estimator.embedder_
        rows = estimator.notes_.get("rows")
        if isinstance(embedder, ImageEmbedder):  # fitted in Python if there is no shape
            shape = ImageShape(channels=3, size=embedder.image_size)
            return cls(estimator, shape, rows if isinstance(rows, int) else estimator.history_[0].rows)
        if shape is None or estimator.shape_in_ != (shape.channels, shape.size, shape.size):
            raise EbmoodError(
                f"{folder}: fitted on inputs of shape {estimator.shape_in_}, not on a folder of images"
            )
        return cls(estimator, shape, rows if isinstance(rows, int) else 0)

    def score(
        self, stream: ImageStream, progress: ProgressCallback = ignore_progress
    ) -> Iterator[ScoreBatch]:
        """Score a folder chunk by chunk, in bounded memory. The kept column `file` holds the path of each image.

        Args:
            stream: images of any size. They are converted to greyscale or to colour as in the fit.
            progress: called with the progress of scoring.

        Raises:
            EbmoodError: an image cannot be read. Earlier chunks may already have been scored.
        """
        embedder = self.estimator.embedder_
        if isinstance(embedder, ImageEmbedder):
            for part in stream.features(embedder):
                scores = self.estimator.score_samples(EmbeddedItems(part.features))
                yield self.estimator.decide(scores, _file_column(part.names))
                progress("scoring", stream.fraction)
            return
        for chunk in stream.chunks(self.shape.channels, self.shape.size):
            yield self.estimator.decide(self.estimator.score_samples(chunk.pixels), _file_column(chunk.names))
            progress("scoring", stream.fraction)

    def score_image(self, image: EncodedImage, alpha: float | None = None) -> ScoreBatch:
        """Score one image in memory. The score is that of the same image as a file of a folder.

        Args:
            image: the image.
            alpha: level of the flag; None for the `alpha` of the detector.

        Raises:
            CorruptDataError: it is not a readable image.
        """
        embedder = self.estimator.embedder_
        if isinstance(embedder, ImageEmbedder):
            (chunk,) = embed_images(embedder, [image])
            return self.estimator.score_batch(EmbeddedItems(chunk.features), alpha=alpha)
        whole = open_image(BytesIO(image.content), image.name)
        pixels = resize_image(whole, self.shape.channels, self.shape.size)
        return self.estimator.score_batch(pixels[None], alpha=alpha)


def read_features(
    stream: ImageStream, embedder: ImageEmbedder, progress: ProgressCallback = ignore_progress
) -> tuple[EmbeddedItems, list[str]]:
    """Return the features of all images of a folder, and their paths inside it.

    Raises:
        EbmoodError: an image cannot be used; see `ImageStream.features`.
    """
    chunks = []
    for chunk in stream.features(embedder):
        chunks.append(chunk)
        progress("embedding", stream.fraction)
    names = [name for chunk in chunks for name in chunk.names]
    return EmbeddedItems(np.concatenate([chunk.features for chunk in chunks])), names


def read_shape(folder: Path, notes: dict) -> ImageShape | None:
    """Return the image shape in the notes of a saved detector; None if it is not a detector of images.

    Args:
        folder: the folder of the detector, for messages.
        notes: the notes of the detector.

    Raises:
        EbmoodError: the shape is malformed, or belongs to a resizing rule that this version does not know.
    """
    note = notes.get(IMAGE_NOTE)
    if note is None:
        return None
    try:
        shape = ImageShape.model_validate(note)
    except ValidationError as error:
        raise EbmoodError(
            f"{folder}: the image shape is malformed ({setting_problem(error)}); fit the detector again"
        ) from error
    if shape.rule != RULE:
        raise EbmoodError(
            f"{folder}: another version of ebmood resized the training images by another rule; use that version, or "
            "fit the detector again"
        )
    return shape


def _read_training_images(stream: ImageStream, size: int, progress: ProgressCallback) -> NDArray[np.uint8]:
    """Return all images, `(N, 3, size, size)`, or `(N, 1, size, size)` if all are greyscale."""
    chunks = []
    for chunk in stream.chunks(3, size):
        chunks.append(chunk)
        progress("reading", stream.fraction)
    pixels = np.concatenate([chunk.pixels for chunk in chunks])
    return pixels if any(chunk.has_colour for chunk in chunks) else pixels[:, :1]


def _file_column(names: list[str]) -> pyarrow.RecordBatch:
    texts = pyarrow.array(file_texts(names), pyarrow.string())
    return pyarrow.RecordBatch.from_arrays([texts], names=[FILE_COLUMN])
