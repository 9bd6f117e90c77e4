"""The page of a fitted detector: what it was fitted on, what it promises, and how it did on test rows."""

import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ebmood.core import calibration as conformal
from ebmood.core.metrics import separation
from ebmood.detector.estimator import EnergyDetector
from ebmood.report import detector_charts as figures
from ebmood.report.page import Block, Charts, Facts, Grid, Page, Section, Text

Floats = NDArray[np.float64]

ORDINARY = "ordinary rows"
"""What the set of ordinary test rows is called."""
STRANGEST = 12
BLAMED = 3
MOST_FEATURES = 1000  # more make `feature_contributions` slow, and a name such as x[0,2,5] explains little
SHOWN_LEVELS = (0.01, 0.02, 0.05, 0.1, 0.2)
CURVE = np.linspace(0.002, 0.3, 150)
PROBES = {
    "uniform": "uniform noise, five training ranges to either side",
    "gaussian": "Gaussian noise, as wide as a training range",
    "constant": "the same value in all features",
    "far": "1,000 training ranges away",
}


def model_page(
    detector: EnergyDetector,
    title: str = "Detector",
    inside: Any = None,
    outside: Mapping[str, Any] | None = None,
    versions: Mapping[str, str] | None = None,
    files: Mapping[str, Sequence[str]] | None = None,
) -> Page:
    """The page of a detector, with test rows or without.

    Args:
        detector: fitted.
        title: heading of the page.
        inside: ordinary rows as `EnergyDetector.score_samples` takes them, not those of the fit.
        outside: names of out-of-distribution sets -> their rows.
        versions: of the libraries that fitted it.
        files: what to call the rows of a set, where numbers from 1 would not do.

    Raises:
        InputError: test rows are not like those of the fit.
    """
    tables = {} if inside is None else {ORDINARY: inside}
    tables |= dict(outside or {})
    scores = {name: detector.score_samples(rows) for name, rows in tables.items()}
    ordinary = scores.get(ORDINARY) if inside is not None else None
    others = {name: scores[name] for name in outside or {}}
    sections = [
        Section("scores", "Scores", _scores(detector, ordinary, others)),
        Section("false-alarms", "False alarms", _false_alarms(detector, ordinary)),
    ]
    if tables:
        sections.append(
            Section("strangest", "The strangest rows", _strangest(detector, tables, scores, files or {}))
        )
    if detector.probes_:
        sections.append(Section("self-test", "Self-test", _self_test(detector)))
    sections.append(Section("fitted", "What was fitted", _fitted(detector, versions or {})))
    return Page(title, _lead(detector), tuple(sections), f"Made by ebmood {version('ebmood')}.")


def _lead(detector: EnergyDetector) -> str:
    rows, held_out = detector.n_training_rows_, len(detector.calibration_scores_)
    lead = f"Fitted on {_count(rows, 'row')} and calibrated on {_count(held_out, 'other')}. "
    if not math.isfinite(detector.offset_):
        need = conformal.rows_needed(detector.alpha)
        return (
            lead + f"These are too few to flag anything at alpha = {detector.alpha:g}: that takes {need:,}."
        )
    rate = conformal.false_alarm_rate(detector.alpha, held_out)
    return lead + (
        f"Rows that score below {detector.offset_:.4g} are flagged as out-of-distribution; of rows like those of the "
        f"fit, that happens to {rate:.2%} on average."
    )


def _scores(detector: EnergyDetector, ordinary: Floats | None, others: Mapping[str, Floats]) -> list[Block]:
    charts = [figures.histogram("scores", detector.calibration_scores_, detector.offset_, ordinary, others)]
    if ordinary is None or not others:
        blocks: list[Block] = [Charts(tuple(charts))]
        if ordinary is None:
            blocks.append(Text("Give test rows with `--in` and `--out` to see how well it tells them apart."))
        return blocks
    apart = {name: separation(ordinary, scores) for name, scores in others.items()}
    charts.append(figures.roc("roc", ordinary, others, {n: s.auroc for n, s in apart.items()}))
    charts.append(
        figures.precision_recall("recall", ordinary, others, {n: s.aupr_ood for n, s in apart.items()})
    )
    rows = [
        (
            name,
            f"{len(others[name]):,}",
            _share(others[name] < detector.offset_),
            f"{s.auroc:.3f}",
            f"{s.aupr_ood:.3f}",
            f"{s.aupr_id:.3f}",
            f"{s.fpr95:.3f}",
        )
        for name, s in apart.items()
    ]
    table = Grid(
        f"Against {len(ordinary):,} ordinary test rows",
        ("set", "rows", "flagged", "AUROC", "AUC-PR, others", "AUC-PR, ordinary", "FPR95"),
        (False, *[True] * 6),
        tuple(rows),
        (
            "AUROC: how often an ordinary row scores above one of the set. AUC-PR: average precision, with the set's "
            "rows or with the ordinary ones as the class sought. FPR95: how many of the set pass where 95 % of the "
            "ordinary rows do. Flagged: the share below the threshold.",
        ),
    )
    return [table, Charts(tuple(charts))]


def _false_alarms(detector: EnergyDetector, ordinary: Floats | None) -> list[Block]:
    held_out = len(detector.calibration_scores_)
    promise = Text(
        f"A new row's p-value is the share of the {held_out:,} calibration rows, and itself, that are at least as "
        "strange. Of new rows like those of the fit, at most a share alpha has p-values of alpha or less, on average "
        "over fits; those are flagged."
    )
    if ordinary is None:
        return [promise]
    p = conformal.p_values(ordinary, detector.calibration_scores_)
    low, high = _chance(CURVE, held_out, len(p))
    chart = figures.false_alarms("false-alarms", p, CURVE, low, high)
    levels = np.array(sorted({*SHOWN_LEVELS, float(detector.alpha)}))
    least, most = _chance(levels, held_out, len(p))
    rows = tuple(
        (
            f"{level:g}",
            f"{conformal.false_alarm_rate(float(level), held_out):.3f}",
            _share(p <= level),
            f"{a:.3f} to {b:.3f}",
        )
        for level, a, b in zip(levels, least, most, strict=True)
    )
    table = Grid(
        f"False alarms on {len(p):,} ordinary test rows",
        ("alpha", "promised on average", "actual", "95 % of the time, by chance"),
        (True, True, True, True),
        rows,
    )
    return [promise, table, Charts((chart,))]


def _chance(levels: Floats, held_out: int, rows: int) -> tuple[Floats, Floats]:
    """Between which rates of false alarms 95 % of detectors that keep their promise come out, `(L,)` each.

    Given k allowed alarms of n + 1, one fit's own rate is Beta(k, n + 1 - k), and the count is beta-binomial.
    """
    from scipy.stats import betabinom

    k = np.array([conformal.allowed_alarms(float(level), held_out) for level in levels])
    safe = np.maximum(k, 1)
    low, high = (betabinom.ppf(q, rows, safe, held_out + 1 - safe) / rows for q in (0.025, 0.975))
    return np.where(k > 0, low, 0.0), np.where(k > 0, high, 0.0)


def _strangest(
    detector: EnergyDetector,
    tables: Mapping[str, Any],
    scores: Mapping[str, Floats],
    files: Mapping[str, Sequence[str]],
) -> list[Block]:
    found = [(score, name, row) for name, each in scores.items() for row, score in enumerate(each.tolist())]
    found = sorted(found)[:STRANGEST]
    rows = []
    for score, name, row in found:
        p = conformal.p_values(np.array([score]), detector.calibration_scores_)[0]
        rows.append(
            (
                name,
                files[name][row] if name in files else str(row + 1),
                f"{score:.4g}",
                f"{p:.4f}",
                _blame(detector, tables[name][row : row + 1]),
            )
        )
    return [
        Grid(
            f"The {len(rows)} rows of lowest score",
            ("set", "file" if files else "row", "score", "p-value", "features to blame"),
            (False, not files, True, True, False),
            tuple(rows),
            (
                ("" if files else "Rows are counted from 1. ")
                + "A feature is to blame as far as the score would gain if it alone had a value that fits the others "
                "better; in brackets, what 98 % of the training rows have.",
            ),
        )
    ]


def _blame(detector: EnergyDetector, row: Any) -> tuple[str, ...]:
    if not _told_by_feature(detector):
        return ("not told for such inputs",)
    assert detector.replacements_ is not None
    gains = detector.feature_contributions(row).ravel()
    values = np.asarray(row, dtype=np.float64).ravel()
    names = detector.column_labels()
    low, high = detector.replacements_[0], detector.replacements_[-1]
    worst = [j for j in np.argsort(-gains)[:BLAMED] if gains[j] > 0]
    return tuple(f"{names[j]} = {values[j]:.4g} ({low[j]:.4g} to {high[j]:.4g})" for j in worst) or (
        "no single one",
    )


def _told_by_feature(detector: EnergyDetector) -> bool:
    """Whether features mean something one by one, unlike pixels, and are not too many to tell of."""
    table = len(detector.shape_in_ or ()) == 1 and detector.replacements_ is not None
    return table and detector.n_features_in_ <= MOST_FEATURES


def _self_test(detector: EnergyDetector) -> list[Block]:
    passed = [probe for probe in detector.probes_ if probe.in_distribution > 0]
    blocks: list[Block] = []
    if passed:
        listed = ", ".join(f"{p.in_distribution:.1%} of the `{p.name}` rows" for p in passed)
        blocks.append(
            Text(
                f"Rows that are unlike all training rows were rated ordinary: {listed}. Do not rely on this detector "
                "for inputs of that kind.",
                alert=True,
            )
        )
    else:
        blocks.append(Text("No row that is plainly unlike the training rows was rated ordinary."))
    rows = tuple(
        (probe.name, PROBES.get(probe.name, ""), f"{probe.rows:,}", f"{probe.in_distribution:.1%}")
        for probe in detector.probes_
    )
    head = ("probe", "what it is", "rows", "rated ordinary")
    return [*blocks, Grid("Rows made up after the fit", head, (False, False, True, True), rows)]


def _fitted(detector: EnergyDetector, versions: Mapping[str, str]) -> list[Block]:
    held_out = len(detector.calibration_scores_)
    shape = (
        "inputs of an embedding" if detector.shape_in_ is None else " x ".join(map(str, detector.shape_in_))
    )
    facts = [
        ("Rows fitted on", f"{detector.n_training_rows_:,}"),
        ("Rows held out for calibration", f"{held_out:,}"),
        ("Features of a row", shape),
        ("alpha", f"{detector.alpha:g}"),
        ("Threshold", f"{detector.offset_:.6g}" if math.isfinite(detector.offset_) else "none"),
        ("Seed", str(detector.seed_)),
    ]
    if hasattr(detector, "classes_"):
        facts.append(("Classes", ", ".join(map(str, detector.classes_))))
    if detector.scorer_.embedding is not None:
        facts.append(("Embedding", f"`{type(detector.scorer_.embedding).__qualname__}`"))
    facts.append(
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items()) or "not recorded")
    )
    blocks: list[Block] = [Facts(tuple(facts))]
    blocks += [Text(f"Healed in training: {event}") for event in detector.events_]
    settings = detector.settings_.model_dump(mode="json")
    blocks.append(
        Grid(
            "Settings of the energy",
            ("setting", "value"),
            (False, False),
            tuple((f"`{name}`", _plain(value)) for name, value in settings.items()),
            folded=True,
        )
    )
    if _told_by_feature(detector):
        quantiles, ranges = detector.replacements_, detector.scorer_.ranges
        assert quantiles is not None
        assert ranges is not None
        least, most = ranges
        told = least, quantiles[0], quantiles[len(quantiles) // 2], quantiles[-1], most
        rows = tuple(
            (name, *(f"{float(v):.5g}" for v in values))
            for name, *values in zip(detector.column_labels(), *told, strict=True)
        )
        head = ("feature", "smallest", "1 %", "median", "99 %", "largest")
        blocks.append(Grid("Features in the training rows", head, (False, *[True] * 5), rows, folded=True))
    return blocks


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _share(hits: NDArray[np.bool_]) -> str:
    return f"{hits.mean():.3f}"
