"""Feeds of images and of arrays on the command line, for detectors of images and of classifiers."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.cli.messages import print_files
from ebmood.cli.saved_classifier import load_detector, open_new_rows, score_parts
from ebmood.core.errors import InputError
from ebmood.monitoring.scored_feed import ScoredFeed, ScoredPart, ScoredSource

if TYPE_CHECKING:
    from pydantic import JsonValue

    from ebmood.classifiers import ClassifierDetector
    from ebmood.detector.calibrated import Calibrated
    from ebmood.detector.progress_callback import ProgressCallback
    from ebmood.detector.raw.saved_detector import AnyDetector
    from ebmood.monitoring.times import Interval

Opened = list[Any]
"""The folders and files that were read, whose skipped and unread files are shown at the end."""


@dataclass(frozen=True)
class FileFeeds:
    """A detector of images or of a classifier, and how it scores a file or folder.

    Attributes:
        estimator: the detector.
        score: scores the inputs of a path.
        opened: filled by `score`.
    """

    estimator: "Calibrated"
    score: Callable[[Path], Iterator[ScoredPart]]
    opened: Opened = field(default_factory=list)

    def feed(self, paths: Sequence[Path], interval: "Interval", position: "JsonValue") -> ScoredFeed:
        """Return the feed of some files or folders.

        Raises:
            InputError: the interval is a time, or a path is given twice.
        """
        if interval.rows is None:
            raise InputError(
                "--every with a time needs a column of times, which images and arrays do not have; give a number of "
                "rows, such as 1000rows"
            )
        sources = [ScoredSource(path, lambda path=path: self.score(path)) for path in paths]
        return ScoredFeed(sources, interval.rows, position)

    def print_files(self) -> None:
        """Print which images were skipped, and which files are not images."""
        for source in self.opened:
            print_files(source)


def of_classifier(
    model: Path,
    module: str | None,
    weights: Path | None,
    onnx: Path | None,
    device: str,
    skip_corrupt: bool,
    progress: "ProgressCallback",
) -> FileFeeds:
    """Return a saved detector of a classifier, for `.npz` files and folders of images.

    Raises:
        EbmoodError: the detector or its network cannot be loaded.
    """
    detector = load_detector(model, module, weights, onnx, device)
    opened: Opened = []

    def score(path: Path) -> Iterator[ScoredPart]:
        return _classifier_parts(detector, model, path, skip_corrupt, opened, progress)

    return FileFeeds(detector, score, opened)


def of_images(
    model: Path, device: str, embed: str | None, skip_corrupt: bool, progress: "ProgressCallback"
) -> FileFeeds:
    """Return a saved detector of images or of patches, for folders of images.

    Raises:
        EbmoodError: the detector or its embedder cannot be loaded.
    """
    from ebmood.detector.raw.saved_detector import load_any_detector

    detector = load_any_detector(model, device, embed=embed)
    opened: Opened = []

    def score(path: Path) -> Iterator[ScoredPart]:
        return _image_parts(detector, path, skip_corrupt, opened, progress)

    return FileFeeds(detector.estimator, score, opened)


def _classifier_parts(
    detector: "ClassifierDetector",
    model: Path,
    path: Path,
    skip_corrupt: bool,
    opened: Opened,
    progress: "ProgressCallback",
) -> Iterator[ScoredPart]:
    import numpy as np

    source = open_new_rows(detector, model, path, skip_corrupt)
    opened.append(source)
    done = 0
    for part, batch in score_parts(detector, source, marks_bad_rows=False):
        names = _files(batch.kept_columns)
        rows = (np.ascontiguousarray(row).tobytes() for row in np.asarray(part.x))
        yield ScoredPart(batch, names or [hashlib.sha256(row).hexdigest() for row in rows], names)
        done += len(batch.scores)
        progress("watching", done / len(source))


def _image_parts(
    detector: "AnyDetector", path: Path, skip_corrupt: bool, opened: Opened, progress: "ProgressCallback"
) -> Iterator[ScoredPart]:
    from ebmood.detector.io.open_input import open_input
    from ebmood.detector.raw.saved_detector import score_input

    stream = open_input(path, skip_corrupt)
    opened.append(stream)
    for batch in score_input(detector, stream, progress=progress):
        names = _files(batch.kept_columns) or []
        yield ScoredPart(batch, names, names)


def _files(columns: Any) -> list[str] | None:
    from ebmood.detector.io.image_stream import FILE_COLUMN

    return None if columns is None else columns.column(FILE_COLUMN).to_pylist()
