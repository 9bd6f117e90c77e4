"""A saved detector of a classifier on the command line: its network, and new rows for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ebmood.cli.classifier_files import NetworkFiles, open_rows

if TYPE_CHECKING:
    from ebmood.classifiers import ClassifierDetector
    from ebmood.classifiers.classifier_rows import ClassifierRows, Part
    from ebmood.classifiers.saved_classifier import ClassifierMetadata
    from ebmood.detector.raw.batch_notes import BatchNotes
    from ebmood.detector.raw.score_options import ScoreOptions
    from ebmood.detector.score_batch import ScoreBatch


def is_classifier(model: Path) -> bool:
    """Return whether a folder holds a detector of a classifier."""
    return (model / "classifier.json").is_file()


def refuse_network(model: Path, *options: object) -> None:
    """Check that no network is named for a detector that has none.

    Raises:
        EbmoodError: an option that names a network is given.
    """
    if any(option is not None for option in options):
        from ebmood.core.errors import EbmoodError

        raise EbmoodError(
            f"{model}: not a detector of a classifier; leave out --module, --weights and --onnx"
        )


def refuse_table_options(options: Mapping[str, object], of: str = "a classifier") -> None:
    """Check that no option for tables is given.

    Args:
        options: the values of such options by their names, such as `--drop`.
        of: what the detector was fitted for.

    Raises:
        EbmoodError: one of them is given.
    """
    names = [name for name, value in options.items() if value]
    if names:
        from ebmood.core.errors import EbmoodError

        raise EbmoodError(f"{', '.join(names)}: for tables; leave them out with a detector of {of}")


def load_detector(
    model: Path, module: str | None, weights: Path | None, onnx: Path | None, device: str
) -> "ClassifierDetector":
    """Return a saved detector with its network.

    Args:
        model: folder of the detector.
        module: import path of the network.
        weights: file of its weights.
        onnx: an ONNX graph, in place of both.
        device: where the network computes.

    Raises:
        EbmoodError: there is no detector, no network is named, or it is not that of the fit.
    """
    from ebmood.classifiers import ClassifierDetector
    from ebmood.classifiers.saved_classifier import load_classifier

    saved = load_classifier(model)
    metadata = saved[0]
    _check_network(model, metadata, module, onnx)
    names: Any = metadata.notes.get("onnx") or ("logits", "features")
    network = NetworkFiles(module, weights, onnx, *names).load()
    return ClassifierDetector.from_saved(model, saved, network, device)


def open_new_rows(
    detector: "ClassifierDetector", model: Path, rows: Path, skip_corrupt: bool
) -> "ClassifierRows":
    """Return the rows of a file, or of a folder of images, as the detector of `model` takes them.

    Raises:
        EbmoodError: the path cannot be read, or is a folder and the detector was fitted on an `.npz` file.
    """
    return open_rows(rows, _image_input(model, rows, detector.notes_), skip_corrupt)


def refuse_bad_rows(source: "ClassifierRows", part: "Part", first: int = 0) -> None:
    """Check that no row of a part, before which there are `first` rows, has NaN or infinity.

    Raises:
        InputError: a row has; the message names it.
    """
    from ebmood.core.errors import InputError

    for row, problem in (part.errors or {}).items():
        raise InputError(f"{source.describe(first + row)}: {problem}; correct it, or leave it out")


def score_parts(
    detector: "ClassifierDetector", source: "ClassifierRows", *, marks_bad_rows: bool
) -> "Iterator[tuple[Part, ScoreBatch]]":
    """Score the parts of a source; for images, the kept column `file` holds their paths.

    Args:
        detector: fitted.
        source: the rows.
        marks_bad_rows: whether rows with NaN or infinity are scored as zeros instead of refused; see `Part.errors`.

    Raises:
        InputError: a row cannot be used; the message names it.
    """
    from dataclasses import replace

    from ebmood.classifiers.named_rows import named_rows

    first = 0
    for part in source.parts(16 * detector.batch_size):
        if not marks_bad_rows:
            refuse_bad_rows(source, part, first)
        with named_rows(source, first):
            batch = replace(detector.score_batch(part.x), kept_columns=part.kept, segments=None)
        yield part, batch
        first += len(batch.scores)


def score_rows(
    detector: "ClassifierDetector", source: "ClassifierRows", options: "ScoreOptions", notes: "BatchNotes"
) -> "Iterator[ScoreBatch]":
    """Score batches of rows; for images, the kept column `file` holds their paths.

    Args:
        detector: fitted.
        source: the rows.
        options: whether rows with NaN or infinity are marked.
        notes: the numbers of rows, flagged rows and marked rows are added to it.

    Raises:
        InputError: a row cannot be used and is not marked.
    """
    from ebmood.detector.score_batch import mark_bad_rows

    for part, batch in score_parts(detector, source, marks_bad_rows=options.mark_bad_rows):
        if options.mark_bad_rows and part.errors is not None:
            bad = part.errors.items()
            notes.add_bad([f"{source.describe(notes.rows + row)}: {problem}" for row, problem in bad])
            batch = mark_bad_rows(batch, part.errors)
        notes.rows += len(batch.scores)
        notes.flagged += int(batch.flags.sum())
        yield batch


def _check_network(
    model: Path, metadata: "ClassifierMetadata", module: str | None, onnx: Path | None
) -> None:
    """Check that a network is named, and of the kind of that of the fit."""
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
    from ebmood.core.errors import EbmoodError, setting_problem

    if not rows.is_dir():
        return None
    if notes.get("image") is None:
        raise EbmoodError(f"{rows}: a folder of images, but {model} was fitted on an .npz file; give one")
    try:
        return ImageInput.model_validate(notes["image"])
    except ValidationError as error:
        raise EbmoodError(f"{model}: image: {setting_problem(error)}; fit the detector again") from error
