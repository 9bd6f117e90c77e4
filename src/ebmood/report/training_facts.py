"""The part of the page of a detector about its training rows and its settings."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ebmood.core import calibration as conformal
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.raw.items import ROWS, items_of
from ebmood.report.page import Block, Facts, Grid

MAX_LEVELS = 8
"""Levels that are listed for a category."""
MAX_FEATURES = 1000
"""Above this, `feature_contributions` is slow, and a name such as x[0,2,5] explains little."""


def training_facts(detector: EnergyDetector, versions: Mapping[str, str]) -> list[Block]:
    """Return what a detector was fitted on.

    Args:
        detector: the fitted detector.
        versions: the versions of the libraries that fitted it.
    """
    blocks: list[Block] = [Facts(tuple(_facts(detector, versions)))]
    settings = detector.settings_.model_dump(mode="json")
    rows = tuple((f"`{name}`", _format_setting(value)) for name, value in settings.items())
    blocks.append(Grid("Settings of the energy", ("setting", "value"), (False, False), rows, folded=True))
    if has_named_features(detector):
        blocks += [grid for grid in (_feature_ranges(detector), _category_levels(detector)) if grid.rows]
    if detector.strangest_rows_:
        blocks.append(_strangest_rows(detector))
    return blocks


def _strangest_rows(detector: EnergyDetector) -> Grid:
    items = items_of(detector)
    p_values = conformal.p_values(
        np.array([score for _, score in detector.strangest_rows_]), detector.calibration_scores_
    )
    calibration = detector.calibration_
    # The page knows neither the segments nor the weights of these rows.
    columns = 3 if calibration.segments is None and calibration.weights is None else 2
    rows = tuple(
        (f"{row + 1:,}", f"{score:.4g}", f"{p:.3g}")[:columns]
        for (row, score), p in zip(detector.strangest_rows_, p_values, strict=True)
    )
    note = (
        f"Each {items.one} is left out of its own score. {items.many.capitalize()} are counted from 1. Look at them: a "
        f"wrong {items.one} in the training data makes similar wrong ones ordinary.",
    )
    return Grid(
        f"The strangest {items.many} of the training data",
        (items.one, "score", "p-value")[:columns],
        (True,) * columns,
        rows,
        note,
    )


def _facts(detector: EnergyDetector, versions: Mapping[str, str]) -> list[tuple[str, str]]:
    shape, items = detector.shape_in_, items_of(detector)
    facts = [
        (f"Training {items.many}", f"{detector.n_training_rows_:,}"),
        (f"Calibration {items.many}", f"{len(detector.calibration_scores_):,}"),
        (
            f"Features of a {items.one}" if items == ROWS else f"Numbers of a {items.one}",
            "inputs of an embedding" if shape is None else " x ".join(map(str, shape)),
        ),
        ("alpha", f"{detector.alpha:g}"),
        ("Threshold", f"{detector.offset_:.6g}" if math.isfinite(detector.offset_) else "none"),
        ("Seed", str(detector.seed_)),
    ]
    if hasattr(detector, "classes_"):
        facts.append(("Classes", ", ".join(map(str, detector.classes_))))
    if detector.scorer_.embedding is not None:
        facts.append(("Embedding", f"`{type(detector.scorer_.embedding).__qualname__}`"))
    if detector.embedder_ is not None:
        identity = detector.embedder_.identity
        facts.append(("Embedder", f"`{identity.name}`, SHA-256 {identity.sha256[:12]}..."))
    libraries = ", ".join(f"{name} {number}" for name, number in versions.items())
    return [*facts, ("Versions", libraries or "not recorded")]


def _feature_ranges(detector: EnergyDetector) -> Grid:
    quantiles, ranges = detector.replacements_, detector.scorer_.ranges
    assert quantiles is not None
    assert ranges is not None
    columns = ranges[0], quantiles[0], quantiles[len(quantiles) // 2], quantiles[-1], ranges[1]
    rows = tuple(
        (name, *(f"{float(value):.5g}" for value in values))
        for j, (name, *values) in enumerate(zip(detector.column_labels(), *columns, strict=True))
        if j not in detector.levels_
    )
    head = ("feature", "smallest", "1 %", "median", "99 %", "largest")
    return Grid("Features in the training rows", head, (False, *[True] * 5), rows, folded=True)


def _category_levels(detector: EnergyDetector) -> Grid:
    rows = tuple(
        (detector.column_labels()[j], f"{len(levels):,}", ", ".join(levels[:MAX_LEVELS]))
        for j, levels in detector.levels_.items()
    )
    head = ("feature", "levels", f"the most frequent ones, {MAX_LEVELS} at most")
    return Grid("Categories in the rows of the fit", head, (False, True, False), rows, folded=True)


def _format_setting(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def has_named_features(detector: EnergyDetector) -> bool:
    """Return whether single features have a meaning (unlike pixels), and are not too many."""
    if detector.embedder_ is not None:
        return False
    is_table = len(detector.shape_in_ or ()) == 1 and detector.replacements_ is not None
    return is_table and detector.n_features_in_ <= MAX_FEATURES
