"""`ebmood score` with a detector of a classifier."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.cli.classifier_files import NetworkFiles, named_rows, open_rows
from ebmood.cli.messages import interrupted, print_files, print_json, print_message
from ebmood.cli.options import use_threads
from ebmood.cli.progress_bar import progress_bar

if TYPE_CHECKING:
    from ebmood.classifiers import ClassifierDetector
    from ebmood.classifiers.classifier_rows import ClassifierRows
    from ebmood.classifiers.saved_classifier import ClassifierMetadata
    from ebmood.detector.raw.batch_notes import BatchNotes
    from ebmood.detector.raw.score_options import ScoreOptions
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
    mark_bad_rows: bool,
    max_bad: float,
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
        mark_bad_rows: whether rows with NaN or infinity are marked.
        max_bad: largest fraction of rows that are marked.
        json: whether the result is printed as JSON.
        refused: options that were given and apply to tables only.

    Raises:
        EbmoodError: the network is not that of the fit, or the rows cannot be used.
    """
    start = time.monotonic()
    try:
        with progress_bar("scoring") as progress:
            from ebmood.classifiers import ClassifierDetector
            from ebmood.classifiers.saved_classifier import load_classifier
            from ebmood.core.errors import EbmoodError
            from ebmood.detector.io.score_writer import open_score_writer
            from ebmood.detector.raw.batch_notes import BatchNotes
            from ebmood.detector.raw.score_options import ScoreOptions

            use_threads(threads)
            if refused:
                raise EbmoodError(
                    f"{', '.join(refused)}: for tables; leave them out with a detector of a classifier"
                )
            options, notes = ScoreOptions(mark_bad_rows, max_bad), BatchNotes()
            saved = load_classifier(model)
            metadata = saved[0]
            _check_network(model, metadata, module, onnx)
            names: Any = metadata.notes.get("onnx") or ("logits", "features")
            network = NetworkFiles(module, weights, onnx, *names).load()
            detector = ClassifierDetector.from_saved(model, saved, network, device)
            if alpha is not None:
                detector.set_alpha(alpha)
            source = open_rows(rows, _image_input(model, rows, metadata.notes), skip_corrupt)
            with open_score_writer(out) as write:
                for batch in _score(detector, source, options, notes):
                    write(batch)
                    progress("scoring", notes.rows / len(source))
                notes.check_bad_rows(source.source, max_bad)
    except KeyboardInterrupt:
        raise interrupted(f"nothing was written to {out}") from None
    seconds = time.monotonic() - start
    count, flagged, items = notes.rows, notes.flagged, source.items.many
    if json:
        result = {
            "out": str(out),
            "rows": count,
            "flagged": flagged,
            "alpha": detector.alpha,
            "skipped": list(source.skipped),
            "others": list(source.others),
            "bad_rows": notes.bad_rows,
        }
        print_json(result | {"seconds": round(seconds, 3)})
        return
    print_files(source)
    print_message(
        f"{out}: {count} {items}, {flagged} flagged ({flagged / max(1, count):.1%}; expected for {items} like those of "
        f"the fit: {detector.false_alarm_rate_:.1%}), in {seconds:.0f} s"
    )
    for line in notes.lines(detector.false_alarm_rate_):
        print_message(line)


def _score(
    detector: "ClassifierDetector", source: "ClassifierRows", options: "ScoreOptions", notes: "BatchNotes"
) -> "Iterator[ScoreBatch]":
    """Score batches of rows; for images, the kept column `file` holds their paths."""
    from dataclasses import replace

    from ebmood.core.errors import InputError
    from ebmood.detector.score_batch import mark_bad_rows

    for part in source.parts(16 * detector.batch_size):
        bad = [
            f"{source.describe(notes.rows + row)}: {problem}" for row, problem in (part.errors or {}).items()
        ]
        if bad and not options.mark_bad_rows:
            raise InputError(f"{bad[0]}; correct it, or leave it out")
        with named_rows(source, notes.rows):
            batch = replace(detector.score_batch(part.x), kept_columns=part.kept, segments=None)
        if options.mark_bad_rows and part.errors is not None:
            batch = mark_bad_rows(batch, part.errors)
        notes.add_bad(bad)
        notes.rows += len(batch.scores)
        notes.flagged += int(batch.flags.sum())
        yield batch


def _check_network(
    model: Path, metadata: "ClassifierMetadata", module: str | None, onnx: Path | None
) -> None:
    """Check that a network is named, and of the kind of that of the fit.

    Raises:
        EbmoodError: it is not; the message names that of the fit.
    """
    from ebmood.core.errors import EbmoodError

    if onnx is not None and metadata.notes.get("module"):
        raise EbmoodError(f"{model}: was fitted with --module {metadata.notes['module']}; give it again")
    if module is not None and metadata.notes.get("onnx"):
        raise EbmoodError(f"{model}: was fitted with --onnx FILE; give this file again")
    if module is None and onnx is None:
        named = metadata.notes.get("module")
        hint = (
            f"--module {named}" if named else "--onnx FILE" if metadata.notes.get("onnx") else "--module PATH"
        )
        raise EbmoodError(
            f"{model}: a detector of a classifier ({metadata.network_class}), whose network is not saved with it; give "
            f"{hint}, with --weights FILE if it had some"
        )


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
