"""The page of a fitted detector: its training data, its false-alarm rate, and its results on test rows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core import calibration as conformal
from ebmood.core.metrics import separation
from ebmood.detector.calibrated import Calibrated
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.patches.heat_map import picture_of
from ebmood.detector.patches.training_images import small_picture
from ebmood.detector.raw.items import Items, items_of
from ebmood.detector.score_batch import ScoreBatch
from ebmood.detector.validation.arrays import read_rows
from ebmood.embedders.images import ImageFile
from ebmood.report import detector_charts
from ebmood.report.page import Block, Charts, Grid, Page, Picture, Pictures, Section, Text
from ebmood.report.training_facts import has_named_features, training_facts

Floats = NDArray[np.float64]

MOST_ANOMALOUS = 12
"""Rows that are listed."""
PICTURE_SIDE = 192
"""Pixels per side of an image that is listed, at most."""
MAX_EXPLANATIONS = 3
"""Features that are listed for a row."""
LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
CURVE = np.linspace(0.002, 0.3, 150)
PROBES = {
    "uniform": "uniform noise, up to five training ranges to either side",
    "gaussian": "Gaussian noise, as wide as a training range",
    "constant": "the same value in all features",
    "far": "1,000 training ranges away",
}


@dataclass(frozen=True)
class EvaluationSet:
    """Test rows, and how to name them.

    Attributes:
        rows: input of `EnergyDetector.score_samples` that supports slices.
        files: a name for each row; empty to number them from 1.
        folder: the folder of images whose paths are `files`, to show the strangest ones; None if rows are not images.
    """

    rows: Any
    files: Sequence[str] = ()
    folder: Path | None = None


def detector_page(
    detector: EnergyDetector,
    title: str = "Detector",
    inside: EvaluationSet | None = None,
    outside: Mapping[str, EvaluationSet] | None = None,
    versions: Mapping[str, str] | None = None,
) -> Page:
    """Return the page of a detector, with or without test rows.

    Args:
        detector: fitted.
        title: heading of the page.
        inside: normal rows that are not training rows.
        outside: out-of-distribution sets by name.
        versions: versions of the libraries that fitted the detector.

    Raises:
        InputError: the columns of test rows differ from those of the fit.
    """
    items = items_of(detector)
    normal_name = name_of_normal(items)
    sets = ({} if inside is None else {normal_name: inside}) | dict(outside or {})
    batches = {name: detector.score_batch(evaluation_set.rows) for name, evaluation_set in sets.items()}
    normal = batches.get(normal_name) if inside is not None else None
    others = {name: batches[name] for name in outside or {}}
    sections = [
        Section("scores", "Scores", score_blocks(detector, items, normal, others)),
        Section("false-alarms", "False alarms", false_alarm_blocks(detector, items, normal)),
    ]
    if sets:
        lowest = lowest_scores(batches)
        files = {name: (evaluation_set.folder, evaluation_set.files) for name, evaluation_set in sets.items()}
        blocks = [_most_anomalous(detector, sets, batches, lowest), *pictures_of_files(files, lowest)]
        sections.append(Section("anomalous", f"The most anomalous {items.many}", blocks))
    if detector.probes_:
        sections.append(Section("self-test", "Self-test", _self_test(detector)))
    sections.append(Section("fitted", "Training", training_facts(detector, versions or {})))
    return Page(title, _lead(detector), tuple(sections), f"Made by ebmood {version('ebmood')}.")


def name_of_normal(items: Items) -> str:
    """Return the name of the set of normal test rows or images."""
    return f"normal {items.many}"


def _lead(detector: EnergyDetector) -> str:
    items = items_of(detector)
    rows, calibration = detector.n_training_rows_, len(detector.calibration_scores_)
    if detector.leave_one_out_:
        lead = f"Fitted and calibrated on {items.count(rows)}, each of which was left out of its own score. "
    else:
        lead = f"Fitted on {items.count(rows)} and calibrated on {_count(calibration, 'other')}. "
    if detector.n_left_out_rows_:
        lead += (
            f"The {_count(detector.n_left_out_rows_, f'strangest {items.one}')} of the training data were left "
            f"out first, so the false-alarm rate holds for {items.many} like the others. "
        )
    if not math.isfinite(detector.offset_):
        needed = conformal.rows_needed(detector.alpha)
        return (
            f"{lead}The calibration {items.many} are too few to flag any {items.one} at alpha = {detector.alpha:g}: "
            f"{needed:,} are needed."
        )
    if detector.segments_ or detector.calibration_.weights is not None:
        part = f"value of {detector.segment!r}" if detector.segments_ else f"weight of a {items.one}"
        return (
            f"{lead}{items.many.capitalize()} are flagged by a threshold for each {part}. On average, this applies "
            f"to at most {detector.false_alarm_rate_:.2%} of normal {items.many}."
        )
    return (
        f"{lead}{items.many.capitalize()} that score below {detector.offset_:.4g} are flagged as out-of-distribution. "
        f"On average, this applies to {detector.false_alarm_rate_:.2%} of normal {items.many}."
    )


def score_blocks(
    detector: Calibrated, items: Items, normal: ScoreBatch | None, others: Mapping[str, ScoreBatch]
) -> list[Block]:
    """Return the part of a page about scores: how well normal rows are separated from others.

    Args:
        detector: fitted.
        items: the words for what it scores.
        normal: the results of normal test rows, or None.
        others: the results of out-of-distribution sets by name.
    """
    scores = {name: batch.scores for name, batch in others.items()}
    histogram = detector_charts.histogram(
        "scores", detector.calibration_scores_, detector.offset_, normal and normal.scores, scores, items
    )
    if normal is None and others:
        return [Charts((histogram,))]
    if normal is None:
        hint = f"Give test {items.many} with `--in` and `--out` to see how well the detector separates them."
        return [Charts((histogram,)), Text(hint)]
    if not others:
        return [Charts((histogram,))]
    metrics = {name: separation(normal.scores, values) for name, values in scores.items()}
    rows = tuple(
        (
            name,
            f"{len(others[name].flags):,}",
            f"{others[name].flags.mean():.3f}",
            *(f"{value:.3f}" for value in (m.auroc, m.aupr_ood, m.aupr_id, m.fpr95)),
        )
        for name, m in metrics.items()
    )
    table = Grid(
        f"Compared with {len(normal.scores):,} normal test {items.many}",
        ("set", items.many, "flagged", "AUROC", "AUC-PR, others", "AUC-PR, normal", "FPR95"),
        (False, *[True] * 6),
        rows,
        (
            f"AUROC: probability that a normal {items.one} scores higher than one of the set. AUC-PR: average "
            f"precision, with the {items.many} of the set or the normal ones as positives. FPR95: fraction of the "
            f"set at or above the score that 95 % of the normal {items.many} reach. "
            "Flagged: fraction below the threshold.",
        ),
    )
    aurocs = {name: m.auroc for name, m in metrics.items()}
    areas = {name: m.aupr_ood for name, m in metrics.items()}
    roc = detector_charts.roc("roc", normal.scores, scores, aurocs, items)
    precision_recall = detector_charts.precision_recall("recall", normal.scores, scores, areas, items)
    return [table, Charts((histogram, roc, precision_recall))]


def false_alarm_blocks(detector: Calibrated, items: Items, normal: ScoreBatch | None) -> list[Block]:
    """Return the part of a page about false alarms, on normal test rows if there are some."""
    calibration = len(detector.calibration_scores_)
    explanation = Text(
        f"The p-value of a new {items.one} is the fraction of the {calibration:,} calibration {items.many}, and the "
        f"{items.one} itself, that score as low as it or lower. Of new {items.many} like the training {items.many}, at "
        f"most the fraction alpha has p-values of alpha or less, on average over fits. These {items.many} are flagged."
    )
    if normal is None:
        return [explanation]
    p = normal.p_values
    chart = detector_charts.false_alarms(
        "false-alarms", p, CURVE, *_chance_band(CURVE, calibration, len(p)), items
    )
    levels = np.array(sorted({*LEVELS, float(detector.alpha)}))
    rows = tuple(
        (
            f"{level:g}",
            f"{detector.calibration_.false_alarm_rate(float(level)):.3f}",
            f"{(p <= level).mean():.3f}",
            f"{low:.3f} to {high:.3f}",
        )
        for level, low, high in zip(levels, *_chance_band(levels, calibration, len(p)), strict=True)
    )
    table = Grid(
        f"False alarms on {len(p):,} normal test {items.many}",
        ("alpha", "expected on average", "actual", "95 % by chance"),
        (True, True, True, True),
        rows,
    )
    return [explanation, table, Charts((chart,))]


def _chance_band(levels: Floats, calibration: int, rows: int) -> tuple[Floats, Floats]:
    """Return between which false-alarm rates 95 % of valid detectors lie, `(L,)` each.

    If k of n + 1 rows may be flagged, the rate of one fit is Beta(k, n + 1 - k) distributed, and the number of flagged
    rows is beta-binomial.
    """
    from scipy.stats import betabinom

    k = np.array([conformal.allowed_alarms(float(level), calibration) for level in levels])
    positive = np.maximum(k, 1)
    low, high = (betabinom.ppf(q, rows, positive, calibration + 1 - positive) / rows for q in (0.025, 0.975))
    return np.where(k > 0, low, 0.0), np.where(k > 0, high, 0.0)


def lowest_scores(batches: Mapping[str, ScoreBatch]) -> list[tuple[float, str, int]]:
    """Return the scores, sets and numbers of the rows that are listed."""
    candidates = [
        (score, name, row)
        for name, batch in batches.items()
        for row, score in enumerate(batch.scores.tolist())
    ]
    return sorted(candidates)[:MOST_ANOMALOUS]


def pictures_of_files(
    files: Mapping[str, tuple[Path | None, Sequence[str]]], lowest: Sequence[tuple[float, str, int]]
) -> list[Pictures]:
    """Return the listed images, the strangest first; nothing if there are none.

    Args:
        files: for each set its folder, or None if it does not hold images, and the paths of its images.
        lowest: the result of `lowest_scores`.
    """
    pictures = []
    for score, name, row in lowest:
        folder, names = files[name]
        if folder is not None:
            image = picture_of(ImageFile(folder / names[row]), PICTURE_SIDE)
            pictures.append(Picture(small_picture(image, PICTURE_SIDE), f"{name}, {names[row]}: {score:.4g}"))
    return [Pictures(tuple(pictures), "The same images, the strangest first.")] if pictures else []


def _most_anomalous(
    detector: EnergyDetector,
    sets: Mapping[str, EvaluationSet],
    batches: Mapping[str, ScoreBatch],
    lowest: Sequence[tuple[float, str, int]],
) -> Grid:
    has_files = any(evaluation_set.files for evaluation_set in sets.values())
    rows = tuple(
        (
            name,
            sets[name].files[row] if sets[name].files else str(row + 1),
            f"{score:.4g}",
            f"{batches[name].p_values[row]:.4f}",
            _explain(detector, sets[name].rows[row : row + 1]),
        )
        for score, name, row in lowest
    )
    note = (
        "The last column lists the features for which another value would raise the score most, if all other features "
        "stay the same. The ranges contain 98 % of the training data. Of a category, the most frequent level is given."
    )
    return Grid(
        f"The {len(rows)} {items_of(detector).many} with the lowest scores",
        ("set", "file" if has_files else "row", "score", "p-value", "features that explain it"),
        (False, not has_files, True, True, False),
        rows,
        (note if has_files else f"Rows are counted from 1. {note}",),
    )


def _explain(detector: EnergyDetector, row: Any) -> tuple[str, ...]:
    if not has_named_features(detector):
        return ("not available for such inputs",)
    assert detector.replacements_ is not None
    gains = detector.feature_contributions(row).ravel()
    values = read_rows(row, detector.levels_).values.ravel()
    largest = [int(j) for j in np.argsort(-gains)[:MAX_EXPLANATIONS] if gains[j] > 0]
    return tuple(_describe_value(detector, j, float(values[j])) for j in largest) or ("no single feature",)


def _describe_value(detector: EnergyDetector, feature: int, value: float) -> str:
    """Return the value of a feature beside the values that are common in the training rows."""
    assert detector.replacements_ is not None
    name, levels = detector.column_labels()[feature], detector.levels_.get(feature)
    low, high = detector.replacements_[0, feature], detector.replacements_[-1, feature]
    common = f"{low:.4g} to {high:.4g}" if levels is None else f"most often {levels[0]}"
    if math.isnan(value):
        text = "missing"
    elif levels is None:
        text = f"{value:.4g}"
    else:
        text = levels[int(value)] if value < len(levels) else "a new level"
    return f"{name} = {text} ({common})"


def _self_test(detector: EnergyDetector) -> list[Block]:
    items = items_of(detector).many
    failed = [probe for probe in detector.probes_ if probe.failed]
    if failed:
        fractions = ", ".join(f"{p.in_distribution:.1%} of the `{p.name}` {items}" for p in failed)
        result = Text(
            f"Artificial {items} that are unlike all training data were rated in-distribution: {fractions}. Do not "
            "rely on this detector for inputs of that kind.",
            alert=True,
        )
    else:
        part = "At most 1 %" if any(probe.in_distribution for probe in detector.probes_) else "None"
        result = Text(
            f"{part} of the artificial {items} that are clearly unlike the training data was rated in-distribution."
        )
    rows = tuple(
        (probe.name, PROBES.get(probe.name, ""), f"{probe.rows:,}", f"{probe.in_distribution:.1%}")
        for probe in detector.probes_
    )
    head = ("probe", "description", items, "rated in-distribution")
    return [result, Grid(f"Artificial {items}, scored after the fit", head, (False, False, True, True), rows)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
