"""Saved detectors of tables and of images: load one, and score an input of the same kind."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.io.open_input import InputStream
from ebmood.detector.io.table_stream import TableStream
from ebmood.detector.patches.patch_files import load_patch_detector
from ebmood.detector.patches.patch_folder import PatchFolderDetector, check_map_folder
from ebmood.detector.persistence.detector_files import is_patch_detector, read_detector
from ebmood.detector.persistence.load import load
from ebmood.detector.persistence.metadata import DetectorMetadata
from ebmood.detector.preparation import concatenate_features
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.batch_notes import BatchNotes
from ebmood.detector.raw.image_detector import ImageDetector, read_features
from ebmood.detector.raw.items import IMAGE_NOTE
from ebmood.detector.raw.score_options import STRICT, ScoreOptions
from ebmood.detector.raw.table_detector import TableDetector
from ebmood.detector.score_batch import ScoreBatch
from ebmood.embedders import ImageEmbedder, TextEmbedder

SavedDetector = TableDetector | ImageDetector
AnyDetector = SavedDetector | PatchFolderDetector


def load_any_detector(
    folder: Path, device: str = "cpu", alpha: float | None = None, embed: str | None = None
) -> AnyDetector:
    """Load a detector of tables, of images or of patches. Arguments and errors are those of `load_saved_detector`."""
    if not is_patch_detector(folder):
        return load_saved_detector(folder, device, alpha, embed)
    estimator = load_patch_detector(folder, embed=embed, device=device)
    if alpha is not None:
        estimator.set_alpha(alpha)
    return PatchFolderDetector(estimator)


def load_saved_detector(
    folder: Path, device: str = "cpu", alpha: float | None = None, embed: str | None = None
) -> SavedDetector:
    """Load a detector of tables or of images.

    Args:
        folder: the folder of the detector.
        device: the device on which to score.
        alpha: level of the flags; None for that of the fit.
        embed: where the embedder of the fit is now; None if it is where it was.

    Raises:
        EbmoodError: there is no detector, it was changed, its embedder was changed or is absent, or it was fitted on
            other inputs.
    """
    estimator = load(folder, embed=embed, device=device)
    if alpha is not None:
        estimator.set_alpha(alpha)
    if isinstance(estimator.embedder_, TextEmbedder):
        raise InputError(f"{folder}: fitted in Python on texts; load it with ebmood.load")
    is_image = IMAGE_NOTE in estimator.notes_ or estimator.embedder_ is not None
    kind = ImageDetector if is_image else TableDetector
    return kind.from_estimator(folder, estimator)


def is_of_images(folder: Path) -> bool:
    """Return whether a saved detector was fitted on images. Its embedder is not opened, and may be absent.

    Raises:
        EbmoodError: there is no detector.
    """
    return is_patch_detector(folder) or _takes_images(read_detector(folder)[0])


def refuse_images(folder: Path, advice: str) -> None:
    """Raise an error if a saved detector was fitted on images.

    Args:
        folder: the folder of the detector.
        advice: what to do instead, for the message.

    Raises:
        EbmoodError: it was fitted on images or on patches, or there is no detector.
    """
    if _takes_images(read_detector(folder)[0]):
        raise InputError(f"{folder}: was fitted on images{advice}")


def _takes_images(metadata: DetectorMetadata) -> bool:
    is_embedded = metadata.embedder is not None and metadata.embedder.items == "images"
    return is_embedded or IMAGE_NOTE in metadata.notes


def score_input(
    detector: AnyDetector,
    stream: InputStream,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    progress: ProgressCallback = ignore_progress,
    options: ScoreOptions = STRICT,
    notes: BatchNotes | None = None,
    maps: Path | None = None,
) -> Iterator[ScoreBatch]:
    """Score a table or a folder of images chunk by chunk, in bounded memory.

    Args:
        detector: fitted on inputs of the same kind.
        stream: a table with the columns of the fit, or a folder of images.
        keep: columns of a table to return with the scores; see `TableDetector.score`.
        drop: columns of a table that were not in the training data.
        progress: called with the progress of scoring.
        options: what to do with bad rows of a table, and how many reasons to give.
        notes: receives what is unusual about the rows of a table as a whole.
        maps: folder for maps of flagged images, if it is a detector of patches.

    Raises:
        EbmoodError: detector and input are not of the same kind, or the input cannot be used. Earlier chunks may
            already have been scored.
    """
    check_kind(detector, stream, [*keep, *drop])
    if options.reasons and isinstance(stream, ImageStream):
        raise InputError(
            f"{stream.source}: images have no columns that could be reasons; leave out --reasons"
        )
    if maps is not None and not isinstance(detector, PatchFolderDetector):
        option = for_interface("--maps", "maps=")
        raise InputError(
            f"{option}: the detector has no patches, only ebmood fit --where keeps them; leave it out"
        )
    if isinstance(detector, ImageDetector):
        assert isinstance(stream, ImageStream)
        return detector.score(stream, progress)
    if isinstance(detector, PatchFolderDetector):
        assert isinstance(stream, ImageStream)
        if maps is not None:
            check_map_folder(maps, stream)
        return detector.score(stream, progress, maps)
    assert isinstance(stream, TableStream)
    return detector.score(stream, keep, drop, progress, options, notes)


def read_all_rows(
    detector: SavedDetector, stream: InputStream, drop: Sequence[str] = ()
) -> tuple[pyarrow.Table | np.ndarray, tuple[str, ...]]:
    """Read a whole table or folder of images into memory, as input of `detector.estimator`.

    Args:
        detector: fitted on inputs of the same kind.
        stream: a table with the columns of the fit, or a folder of images.
        drop: columns of a table that were not in the training data.

    Returns:
        The rows, and the paths of images; no paths for a table.

    Raises:
        EbmoodError: detector and input are not of the same kind, or the input cannot be used.
    """
    check_kind(detector, stream, drop)
    if isinstance(detector, ImageDetector):
        assert isinstance(stream, ImageStream)
        if isinstance(detector.estimator.embedder_, ImageEmbedder):
            features, names = read_features(stream, detector.estimator.embedder_)
            return features, tuple(names)
        chunks = list(stream.chunks(detector.shape.channels, detector.shape.size))
        names = tuple(name for chunk in chunks for name in chunk.names)
        return np.concatenate([chunk.pixels for chunk in chunks]), names
    assert isinstance(stream, TableStream)
    preparation = detector.check_table(stream, drop)
    features = concatenate_features(
        [preparation.read_strictly(chunk) for chunk in stream.chunks(preparation.names)]
    )
    if detector.preparation is None:  # fitted without column names
        return preparation.encode(features, {}), ()
    return pyarrow.table(features), ()


def check_kind(detector: AnyDetector, stream: InputStream, columns: Sequence[str]) -> None:
    """Check that detector and input are of the same kind, and that only a table has `columns`.

    Raises:
        InputError: they are not.
    """
    is_image = isinstance(stream, ImageStream)
    if not isinstance(detector, TableDetector) and not is_image:
        raise InputError(
            f"{stream.source}: a table, but the detector was fitted on images; give a folder of images"
        )
    if isinstance(detector, TableDetector) and is_image:
        raise InputError(f"{stream.source}: images, but the detector was fitted on a table; give a table")
    if is_image and columns:
        raise InputError(
            f"{stream.source}: images have no columns; leave out --keep and --drop (the column `file` names each image)"
        )
