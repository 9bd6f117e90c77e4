"""`ebmood score` with a detector of a classifier."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.cli.classifier_files import NetworkFiles, name_image, open_rows
from ebmood.cli.messages import interrupted, print_files, print_json, print_message
from ebmood.cli.options import use_threads
from ebmood.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from ebmood.classifiers import ClassifierDetector
    from ebmood.detector.score_batch import ScoreBatch


def is_classifier(model: Path) -> bool:
    """Return whether a folder holds a detector of a classifier."""
    return (model / "classifier.json").is_file()


def run(
    model: Path,
    rows: Path,
    out: Path,
    *,
    module: str | None,
    weights: Path | None,
    onnx: Path | None,
    alpha: float | None,
    device: str,
    threads: int | None,
    skip_corrupt: bool,
    json: bool,
    refused: Sequence[str],
) -> None:
    """Score an `.npz` file or a folder of images.

    Args:
        model: folder of the detector.
        rows: the rows.
        out: file of the scores.
        module: import path of the network.
        weights: file of its weights.
        onnx: an ONNX graph, in place of both.
        alpha: level of the flags; None for that of the fit.
        device: where the network computes.
        threads: number of threads.
        skip_corrupt: whether damaged images are skipped.
        json: whether the result is printed as JSON.
        refused: options that were given and apply to tables only.

    Raises:
        EbmoodError: the network is not that of the fit, or the rows cannot be used.
    """
    start, count, flagged = time.monotonic(), 0, 0
    try:
        with progress_bar("scoring") as progress:
            from ebmood.classifiers import ClassifierDetector
            from ebmood.classifiers.classifier_rows import ImageRows
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.io.score_writer import open_score_writer
            from ebmood.detector.items import IMAGES, ROWS

            use_threads(threads)
            if refused:
                raise EbmoodError(
                    f"{', '.join(refused)}: for tables; leave them out with a detector of a classifier"
                )
            metadata_notes = _notes(model, module, onnx)
            names = metadata_notes.get("onnx") or ("logits", "features")
            network = NetworkFiles(module, weights, onnx, *names).load()
            detector = ClassifierDetector.load(model, network, device=device)
            if alpha is not None:
                detector.set_alpha(alpha)
            source = open_rows(rows, _image_input(model, rows, metadata_notes), skip_corrupt)
            total = len(source.stream.names) if isinstance(source, ImageRows) else len(source.x)
            with open_score_writer(out) as write:
                for batch in _score(detector, source):
                    write(batch)
                    count += len(batch.scores)
                    flagged += int(batch.flags.sum())
                    progress("scoring", count / total)
    except KeyboardInterrupt:
        raise interrupted(f"nothing was written to {out}") from None
    seconds = time.monotonic() - start
    skipped = source.stream.skipped if isinstance(source, ImageRows) else []
    if json:
        result = {
            "out": str(out),
            "rows": count,
            "flagged": flagged,
            "alpha": detector.alpha,
            "skipped": skipped,
        }
        print_json(result | {"seconds": round(seconds, 3)})
        return
    print_files(getattr(source, "stream", None))
    items = (IMAGES if isinstance(source, ImageRows) else ROWS).many
    print_message(
        f"{out}: {count} {items}, {flagged} flagged ({flagged / max(1, count):.1%}; expected for {items} like those of "
        f"the fit: {detector.false_alarm_rate_:.1%}), in {seconds:.0f} s"
    )


def _score(detector: "ClassifierDetector", source: Any) -> "Iterator[ScoreBatch]":
    """Score batches of rows; for images, the kept column `file` holds their paths."""
    from dataclasses import replace

    import pyarrow

    from ebmood.classifiers.classifier_rows import ArrayRows
    from ebmood.classifiers.network import RowError
    from ebmood.detector.image_detector import FILE_COLUMN

    if isinstance(source, ArrayRows):
        size = 16 * detector.batch_size
        for start in range(0, len(source.x), size):
            try:
                yield replace(detector.score_batch(source.x[start : start + size]), segments=None)
            except RowError as error:
                raise RowError(start + error.row, error.problem) from error
        return
    done = 0
    for x in source.batches(False):
        try:
            batch = detector.score_batch(x)
        except RowError as error:
            raise name_image(RowError(done + error.row, error.problem), source) from error
        files = pyarrow.RecordBatch.from_pydict({FILE_COLUMN: source.names[done:]})
        done += len(batch.scores)
        yield replace(batch, kept_columns=files, segments=None)


def _notes(model: Path, module: str | None, onnx: Path | None) -> dict[str, Any]:
    """Return the notes of the fit after a check that a network is named."""
    from ebmood.classifiers.saved_classifier import load_classifier
    from ebmood.core.errors import EbmoodError

    metadata, _, _ = load_classifier(model)
    if module is None and onnx is None:
        named = metadata.notes.get("module")
        hint = (
            f"--module {named}" if named else "--onnx FILE" if metadata.notes.get("onnx") else "--module PATH"
        )
        raise EbmoodError(
            f"{model}: a detector of a classifier ({metadata.network_class}), whose network is not saved with it; give "
            f"{hint}, with --weights FILE if it had some"
        )
    return metadata.notes


def _image_input(model: Path, rows: Path, notes: dict[str, Any]) -> Any:
    from pydantic import ValidationError

    from ebmood.classifiers.classifier_rows import ImageInput
    from ebmood.core.errors import EbmoodError

    if not rows.is_dir():
        return None
    if notes.get("image") is None:
        raise EbmoodError(f"{rows}: a folder of images, but {model} was fitted on an .npz file; give one")
    try:
        return ImageInput.model_validate(notes["image"])
    except ValidationError as error:
        raise EbmoodError(f"{model}: image: {error.errors()[0]['msg']}; fit the detector again") from error
