"""A detector of patches for folders of images: scores with paths, the strangest places, and pictures of maps."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

import numpy as np
import pyarrow

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path
from ebmood.core.interface import for_interface
from ebmood.detector.error_context import name_source
from ebmood.detector.io.image_stream import FILE_COLUMN, ImageStream, file_texts
from ebmood.detector.patches.heat_map import overlay, picture_of, square_of, strangest_place
from ebmood.detector.patches.patch_detector import PatchDetector
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders.images import EncodedImage, ImageItem

PLACE_COLUMNS = ("where_x", "where_y")
"""The columns of the scores that hold the pixel of the image at the centre of the strangest patch, from 0."""

BATCH_IMAGES = 256
"""Images whose scores are returned at once."""


@dataclass(frozen=True)
class PatchFolderDetector:
    """A detector of patches, for folders of images.

    Attributes:
        estimator: fitted.
    """

    estimator: PatchDetector

    @classmethod
    def fit(
        cls, estimator: PatchDetector, folder: ImageStream, progress: ProgressCallback = ignore_progress
    ) -> Self:
        """Fit an estimator on the images of a folder.

        Args:
            estimator: not yet fitted.
            folder: images that are assumed to be in-distribution.
            progress: called with the progress.

        Raises:
            EbmoodError: the folder or a parameter cannot be used.
        """
        with name_source(folder.source):
            return cls(estimator.fit_items(folder.items(), folder.skip, progress))

    def recalibrate(self, folder: ImageStream, progress: ProgressCallback = ignore_progress) -> None:
        """Replace the calibration images by those of a folder.

        Args:
            folder: images that are assumed to be in-distribution, and were not used for the fit.
            progress: called with the progress.

        Raises:
            EbmoodError: an image cannot be used.
        """
        with name_source(folder.source):
            self.estimator.recalibrate_items(folder.items(), folder.skip, progress)

    def save(self, folder: Path) -> None:
        """Write the estimator to a folder.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        self.estimator.save(folder)

    def score(
        self,
        folder: ImageStream,
        progress: ProgressCallback = ignore_progress,
        maps: Path | None = None,
    ) -> Iterator[ScoreBatch]:
        """Score a folder in bounded memory. The kept columns are `file`, `where_x` and `where_y`.

        Args:
            folder: images of any size.
            progress: called with the progress of scoring.
            maps: folder for the maps of flagged images, which are laid over them: `NAME.png` for the image `NAME`.

        Raises:
            EbmoodError: an image cannot be read, or a map cannot be written. Earlier images may already have been
                scored.
        """
        items, estimator = folder.items(), self.estimator
        names: list[str] = []
        scores: list[np.ndarray] = []
        places: list[tuple[int, int]] = []

        def batch() -> ScoreBatch:
            columns = [pyarrow.array(file_texts(names), pyarrow.string())]
            columns += [pyarrow.array([place[axis] for place in places], pyarrow.int32()) for axis in (0, 1)]
            kept = pyarrow.RecordBatch.from_arrays(columns, names=[FILE_COLUMN, *PLACE_COLUMNS])
            result = estimator.decide(np.concatenate(scores), kept)
            for part in (names, scores, places):
                part.clear()
            return result

        images_read = 0
        for chunk in estimator.score_items(items, folder.skip):
            flags = estimator.decide(chunk.scores).flags
            for index, position in enumerate(chunk.positions):
                energies, name = chunk.energies[index], folder.names[position]
                place = strangest_place(energies)
                names.append(name)
                places.append(square_of(items[position]).pixel(place, energies.shape))
                if maps is not None and flags[index]:
                    self._write_map(items[position], energies, maps / f"{name}.png")
            scores.append(chunk.scores)
            images_read += len(chunk.positions)
            folder.fraction = chunk.seen / len(items)
            if len(names) >= BATCH_IMAGES:
                yield batch()
            progress("scoring", folder.fraction)
        if names:
            yield batch()
        if not images_read:
            folder.refuse_none()

    def score_image(self, image: EncodedImage, alpha: float | None = None) -> ScoreBatch:
        """Score one image in memory, as a file of a folder is scored. The kept columns are `where_x` and `where_y`.

        Args:
            image: the image.
            alpha: level of the flag; None for the `alpha` of the detector.

        Raises:
            CorruptDataError: it is not a readable image.
        """
        (chunk,) = self.estimator.score_items([image])
        energies = chunk.energies[0]
        place = square_of(image).pixel(strangest_place(energies), energies.shape)
        columns = [pyarrow.array([pixel], pyarrow.int32()) for pixel in place]
        kept = pyarrow.RecordBatch.from_arrays(columns, names=list(PLACE_COLUMNS))
        return self.estimator.decide(chunk.scores, kept, alpha)

    def _write_map(self, item: ImageItem, energies: np.ndarray, path: Path) -> None:
        from PIL import Image

        picture = Image.fromarray(overlay(picture_of(item), energies, self.estimator.heat_scale_))
        with atomic_path(path) as temporary:
            picture.save(temporary, "PNG")


def check_map_folder(maps: Path, folder: ImageStream) -> None:
    """Check the folder for maps before any image is scored.

    Raises:
        EbmoodError: it is a file, or lies in the folder of the images, whose maps would then be scored as images.
    """
    option = for_interface("--maps ", "maps=")
    if maps.exists() and not maps.is_dir():
        raise EbmoodError(f"{option}{maps}: is a file; give a folder")
    source, target = Path(folder.source).resolve(), maps.resolve()
    if PurePosixPath(target.as_posix()).is_relative_to(source.as_posix()):
        raise EbmoodError(
            f"{option}{maps}: lies in the folder of the images, which would then contain the maps; give another folder"
        )
