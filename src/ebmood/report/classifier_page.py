"""The page of a detector of a classifier: scores, false alarms, predicted classes, and the most anomalous inputs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ebmood.classifiers import ClassifierDetector
from ebmood.classifiers.classifier_rows import ClassifierRows, ImageRows
from ebmood.classifiers.named_rows import named_rows
from ebmood.core import calibration as conformal
from ebmood.core.errors import InputError
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.raw.items import Items
from ebmood.detector.score_batch import ScoreBatch
from ebmood.report.detector_page import (
    false_alarm_blocks,
    lowest_scores,
    name_of_normal,
    pictures_of_files,
    score_blocks,
)
from ebmood.report.page import Block, Facts, Grid, Page, Section

MAX_CLASSES = 30
"""Classes that are listed: those with most normal inputs."""


@dataclass(frozen=True)
class ScoredInputs:
    """Inputs of a classifier with their results.

    Attributes:
        batch: scores, p-values and flags.
        predicted: `(N,)` the predicted classes, as columns of the logits.
        files: a name for each input; empty to number them from 1.
        folder: the folder of images whose paths are `files`; None if inputs are not images.
    """

    batch: ScoreBatch
    predicted: NDArray[np.int64]
    files: tuple[str, ...] = ()
    folder: Path | None = None


def score_inputs(
    detector: ClassifierDetector, source: ClassifierRows, progress: ProgressCallback = ignore_progress
) -> ScoredInputs:
    """Return the results of all inputs of a file or folder.

    Raises:
        InputError: an input cannot be used; the message names it.
    """
    batches: list[ScoreBatch] = []
    predicted: list[NDArray[np.int64]] = []
    done = 0
    for part in source.parts(16 * detector.batch_size):
        for row, problem in (part.errors or {}).items():
            raise InputError(f"{source.describe(done + row)}: {problem}; correct it, or leave it out")
        with named_rows(source, done):
            outputs = detector.outputs(part.x)
        batches.append(detector.decide(outputs))
        predicted.append(outputs.predicted.numpy())
        done += len(outputs)
        progress("scoring", done / len(source))
    scores, p_values, flags = (
        np.concatenate([getattr(batch, name) for batch in batches])
        for name in ("scores", "p_values", "flags")
    )
    is_images = isinstance(source, ImageRows)
    return ScoredInputs(
        ScoreBatch(scores, p_values, flags),
        np.concatenate(predicted),
        tuple(source.names) if is_images else (),
        Path(source.source) if is_images else None,
    )


def classifier_page(
    detector: ClassifierDetector,
    items: Items,
    title: str = "Detector",
    inside: ScoredInputs | None = None,
    outside: Mapping[str, ScoredInputs] | None = None,
    versions: Mapping[str, str] | None = None,
) -> Page:
    """Return the page of a detector of a classifier, with or without test inputs.

    Args:
        detector: fitted.
        items: the words for its inputs.
        title: heading of the page.
        inside: normal inputs that are not those of the fit.
        outside: other inputs by name.
        versions: versions of the libraries that fitted the detector.
    """
    normal_name = name_of_normal(items)
    sets = ({} if inside is None else {normal_name: inside}) | dict(outside or {})
    batches = {name: scored.batch for name, scored in sets.items()}
    normal = None if inside is None else inside.batch
    others = {name: batches[name] for name in outside or {}} if normal is not None else {}
    sections = [
        Section("scores", "Scores", score_blocks(detector, items, normal, others)),
        Section("false-alarms", "False alarms", false_alarm_blocks(detector, items, normal)),
    ]
    if sets:
        lowest = lowest_scores(batches)
        blocks: list[Block] = [_most_anomalous(detector, items, sets, lowest)]
        blocks += pictures_of_files(
            {name: (scored.folder, scored.files) for name, scored in sets.items()}, lowest
        )
        sections.append(Section("anomalous", f"The most anomalous {items.many}", blocks))
        sections.append(Section("classes", "Predicted classes", [_by_class(detector, items, sets)]))
    sections.append(Section("fitted", "Training", [_facts(detector, items, versions or {})]))
    return Page(title, _lead(detector, items), tuple(sections), f"Made by ebmood {version('ebmood')}.")


def _lead(detector: ClassifierDetector, items: Items) -> str:
    calibration = len(detector.calibration_scores_)
    lead = (
        f"The detector has the score {detector.score.kind} of a network of the class "
        f"{type(detector.network_.module).__name__}. It is fitted on {items.count(detector.n_fit_rows_)} and "
        f"calibrated on {items.count(calibration)}. "
    )
    if not math.isfinite(detector.offset_) and not detector.class_conditional:
        needed = conformal.rows_needed(detector.alpha)
        return f"{lead}These are too few to flag any at alpha = {detector.alpha:g}: {needed:,} are needed."
    threshold = (
        "each predicted class has a threshold of its own"
        if detector.class_conditional
        else f"{items.many} that score below {detector.offset_:.4g} are flagged"
    )
    return f"{lead}On average, {detector.false_alarm_rate_:.2%} of {items.many} like these are flagged: {threshold}."


def _class_name(detector: ClassifierDetector, number: int) -> str:
    folders = detector.notes_.get("folders")
    return str(folders[number]) if isinstance(folders, list) and number < len(folders) else str(number)


def _most_anomalous(
    detector: ClassifierDetector,
    items: Items,
    sets: Mapping[str, ScoredInputs],
    lowest: list[tuple[float, str, int]],
) -> Grid:
    has_files = any(scored.files for scored in sets.values())
    rows = tuple(
        (
            name,
            sets[name].files[row] if sets[name].files else str(row + 1),
            f"{score:.4g}",
            f"{sets[name].batch.p_values[row]:.4f}",
            _class_name(detector, int(sets[name].predicted[row])),
        )
        for score, name, row in lowest
    )
    head = ("set", "file" if has_files else "row", "score", "p-value", "predicted class")
    notes = () if has_files else ("Rows are counted from 1.",)
    title = f"The {len(rows)} {items.many} with the lowest scores"
    return Grid(title, head, (False, not has_files, True, True, False), rows, notes)


def _by_class(detector: ClassifierDetector, items: Items, sets: Mapping[str, ScoredInputs]) -> Grid:
    first = next(iter(sets.values()))
    classes = np.arange(detector.n_classes_)
    order = np.argsort(-np.bincount(first.predicted, minlength=len(classes)), kind="stable")
    shown = order[:MAX_CLASSES]
    rows = []
    for number in shown.tolist():
        cells = [_class_name(detector, number)]
        for scored in sets.values():
            of_class = scored.predicted == number
            count = int(of_class.sum())
            flagged = f"{scored.batch.flags[of_class].mean():.3f}" if count else "–"
            cells += [f"{count:,}", flagged]
        rows.append(tuple(cells))
    head = ("class", *(text for name in sets for text in (name, "flagged")))
    left_out = len(order) - len(shown)
    note = f"{left_out} more classes are not shown." if left_out > 0 else ""
    return Grid(
        f"{items.many.capitalize()} that the network assigns to each class, and the fraction of them that is flagged",
        head,
        (False, *[True] * (2 * len(sets))),
        tuple(rows),
        (note,) if note else (),
    )


def _facts(detector: ClassifierDetector, items: Items, versions: Mapping[str, str]) -> Facts:
    accuracy = "not known" if math.isnan(detector.accuracy_) else f"{detector.accuracy_:.2%}"
    settings = ", ".join(f"{name} {value}" for name, value in detector.settings_.model_dump().items())
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return Facts(
        (
            (f"{items.many.capitalize()} of the score", f"{detector.n_fit_rows_:,}"),
            (f"Calibration {items.many}", f"{len(detector.calibration_scores_):,}"),
            ("Accuracy of the network on them", accuracy),
            ("Features", f"{detector.n_features_:,}"),
            ("Classes", f"{detector.n_classes_:,}"),
            ("Score", settings),
            ("Threshold for each class", "yes" if detector.class_conditional else "no"),
            ("alpha", f"{detector.alpha:g}"),
            ("Threshold", f"{detector.offset_:.6g}" if math.isfinite(detector.offset_) else "none"),
            ("SHA-256 of the network", f"{detector.network_digest_[:12]}..."),
            ("Seed", str(detector.seed_)),
            ("Versions", libraries or "not recorded"),
        )
    )
