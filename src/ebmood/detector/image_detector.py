"""A detector of images as they lie in a folder: brought to one small shape, then an `EnergyDetector` of their bytes.

The shape is `(C, S, S)`: S pixels a side, in colour where any image of the fit is. Images may differ in size; the rule
that brings each to S is in `ebmood.data.images.resize`: the centred square, resized. Scores come back beside the
images' paths inside the folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from ebmood.core import calibration as conformal
from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.settings import Settings
from ebmood.data.images.image_folders import SUFFIXES, image_names
from ebmood.data.images.readers import MEND, CorruptDataError, opened, vision
from ebmood.data.images.resize import RULE, channels_of, shaped
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.parameters import device_of
from ebmood.detector.table_detector import Scored, Watch, about

NOTE = "images"
"""What the shape is called among the notes of a saved detector."""

SIZE = 16
"""Pixels a side, where nobody says otherwise: the energy's work grows with the fourth power."""

FILE = "file"
"""The column of the scores that names the image."""

AT_ONCE = 512

Bytes = NDArray[np.uint8]


class ImageShape(Settings):
    """What images become before the energy sees them.

    Attributes:
        channels: 1 for greyscale, 3 for colour.
        size: pixels a side.
        rule: of `ebmood.data.images.resize`, by which they were brought to it.
    """

    channels: Literal[1, 3]
    size: int = Field(ge=1, le=256)
    rule: str = RULE


@dataclass
class ImageFolder:
    """All images in a folder and the folders below it, ascending by path; read one by one.

    Attributes:
        where: the folder, for messages.
        names: paths inside it.
        skip_corrupt: whether damaged images are left out.
        skipped: what was wrong with each that was left out, so far.
        share: how much was read so far, 0 to 1.
    """

    where: str
    names: tuple[str, ...]
    skip_corrupt: bool = False
    skipped: list[str] = field(default_factory=list)
    share: float | None = 0.0

    @classmethod
    def open(cls, folder: Path, skip_corrupt: bool = False) -> Self:
        """List the images of a folder.

        Raises:
            EbmoodError: there are none, or Pillow is not installed.
        """
        names = image_names(folder)
        if not names:
            raise EbmoodError(f"{folder}: holds no images (files that end in {', '.join(SUFFIXES)})")
        vision("PIL.Image")
        return cls(str(folder), tuple(names), skip_corrupt)

    def pieces(self, channels: int, size: int) -> Iterator[tuple[list[str], Bytes, bool]]:
        """Names, pixels `(n, channels, size, size)`, and whether any of them is in colour.

        Raises:
            EbmoodError: an image is damaged, or has more than 8 bits a channel; or none can be read.
        """
        kept = 0
        for start in range(0, len(self.names), AT_ONCE):
            names, rows, colour = [], [], False
            for name in self.names[start : start + AT_ONCE]:
                path = str(Path(self.where) / name)
                try:
                    image = opened(path, path)
                except CorruptDataError as error:
                    reason = str(error).removesuffix(MEND).removesuffix("; ")
                    if not self.skip_corrupt:
                        raise EbmoodError(
                            f"{reason}; replace or delete it, or leave damaged images out with --skip-corrupt"
                        ) from error
                    self.skipped.append(reason)
                    continue
                colour = channels_of(image, path) == 3 or colour
                names.append(name)
                rows.append(shaped(image, channels, size))
            self.share = min(1.0, (start + AT_ONCE) / len(self.names))
            kept += len(names)
            if names:
                yield names, np.stack(rows), colour
        if not kept:
            raise EbmoodError(
                f"{self.where}: none of {len(self.names)} images can be read; {self.skipped[0]}"
            )


@dataclass(frozen=True)
class ImageDetector:
    """See the module's head.

    Attributes:
        detector: fitted on bytes `(N, C, S, S)`.
        shape: C and S.
        rows: how many images the folder of the fit had.
    """

    detector: EnergyDetector
    shape: ImageShape
    rows: int

    @property
    def false_alarm_rate(self) -> float:
        """The share of images like those of the fit that is flagged, on average over fits."""
        return conformal.false_alarm_rate(self.detector.alpha, len(self.detector.calibration_scores_))

    @classmethod
    def fit(
        cls,
        detector: EnergyDetector,
        folder: ImageFolder,
        size: int = SIZE,
        watch: Watch = lambda _doing, _share: None,
    ) -> Self:
        """Read a folder and fit a detector on it.

        Args:
            detector: not fitted yet, not supervised.
            folder: of images taken to be in-distribution.
            size: pixels a side.
            watch: told of progress.

        Raises:
            EbmoodError: the folder or a parameter cannot be used.
        """
        conformal.allowed_alarms(detector.alpha, 0)  # what the estimator would say after the images are read
        device_of(detector.device)
        if detector.supervised:
            raise InputError(
                f"{folder.where}: classes of images are learnt in Python alone; leave --supervised out"
            )
        pieces, colour = [], False
        for _, pixels, coloured in folder.pieces(3, size):
            pieces.append(pixels)
            colour = colour or coloured
            watch("reading", folder.share)
        x = np.concatenate(pieces)
        del pieces
        if not colour:  # all three channels are the same
            x = x[:, :1]
        with about(folder.where):
            watch("fitting", 0.0)
            detector.fit(x, report=lambda done, steps: watch("fitting", done / steps))
        return cls(detector, ImageShape(channels=3 if colour else 1, size=size), len(x))

    def save(self, folder: Path) -> None:
        """Write detector and shape to a folder; `EnergyDetector.save` says how.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        self.detector.save(folder, {NOTE: self.shape.model_dump(mode="json"), "rows": self.rows})

    @classmethod
    def of(cls, folder: Path, detector: EnergyDetector) -> Self:
        """A detector that was loaded from what `save` wrote to `folder`.

        Raises:
            EbmoodError: its notes are of no images, or of others than it was fitted on.
        """
        shape = read_shape(folder, detector.notes_)
        if shape is None or detector.shape_in_ != (shape.channels, shape.size, shape.size):
            raise EbmoodError(
                f"{folder}: fitted on inputs of shape {detector.shape_in_}, not on a folder of images"
            )
        rows = detector.notes_.get("rows")
        return cls(detector, shape, rows if isinstance(rows, int) else 0)

    def scored(self, folder: ImageFolder, watch: Watch = lambda _doing, _share: None) -> Iterator[Scored]:
        """Score a folder piece by piece, in bounded memory; the column `file` names each image.

        Args:
            folder: of images of any size. Where the fit saw greyscale, colours become greys, and the other way round.
            watch: told of progress.

        Raises:
            EbmoodError: an image cannot be read. Pieces may have come by then.
        """
        for names, pixels, _ in folder.pieces(self.shape.channels, self.shape.size):
            scores = self.detector.score_samples(pixels)
            yield Scored(
                _named(names),
                scores,
                conformal.p_values(scores, self.detector.calibration_scores_),
                scores < self.detector.offset_,
            )
            watch("scoring", folder.share)


def _named(names: list[str]) -> pyarrow.RecordBatch:
    texts = [name.encode(errors="backslashreplace").decode() for name in names]  # bytes that are no text
    return pyarrow.RecordBatch.from_arrays([pyarrow.array(texts, pyarrow.string())], names=[FILE])


def read_shape(folder: Path, notes: dict) -> ImageShape | None:
    """The shape of images among a saved detector's notes; None where it is no detector of images.

    Args:
        folder: for messages.
        notes: of the saved detector.

    Raises:
        EbmoodError: it is no shape, or by a rule that this version does not know.
    """
    note = notes.get(NOTE)
    if note is None:
        return None
    try:
        shape = ImageShape.model_validate(note)
    except ValidationError as error:
        raise EbmoodError(
            f"{folder}: its shape of images is not as ebmood writes it ({error.errors()[0]['msg']})"
        ) from error
    if shape.rule != RULE:
        raise EbmoodError(
            f"{folder}: fitted on images that another version of ebmood brought to shape; use that, or fit again"
        )
    return shape
