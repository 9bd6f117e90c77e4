"""Figure: histograms of scores, ID test rows and each out-of-distribution set."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from ebmood.results import poster
from ebmood.results.arms import Arm, chosen_sets
from ebmood.results.figures.style import (
    BLUE,
    INK,
    VERMILION,
    Drawing,
    add_legend,
    arms_with,
    new_figure,
    recipe_label,
    save,
    seed_captions,
)
from ebmood.results.figures.ticks import set_round_ticks
from ebmood.results.text import slug
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 30
THREE_TICKS, TWO_TICKS = (0.14, 0.5, 0.86), (0.14, 0.86)
LONGEST_TICKS = 23
"""Characters of all tick labels of a panel together."""


def histograms(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Drawing]:
    """Draw one figure per energy-based method, one for flows and one for baselines, with a row per recipe."""
    groups: dict[str, list[tuple[Arm, Record]]] = {}
    for arm, record in arms_with(arms, "scores"):
        group = arm.method if arm.family == "energy" else arm.family
        groups.setdefault(group, []).append((arm, record))
    for group, members in groups.items():
        selected = [(arm, record) for arm, record in members if _has_usual_gamma(arm)] or members
        records = [record for _, record in selected]
        sets = list(dict.fromkeys(r.name for record in records for r in chosen_sets(record, "all")))
        if sets:
            yield _draw(group, selected, sets, f"histograms-{stem}-{slug(group)}", folder)


def _draw(
    group: str, rows: Sequence[tuple[Arm, Record]], sets: Sequence[str], name: str, folder: Path
) -> Drawing:
    caption, suffixes = seed_captions([record for _, record in rows])
    with new_figure(len(rows), len(sets), 1.75, 1.25) as (figure, panels):
        for line, (arm, record), suffix in zip(panels, rows, suffixes, strict=True):
            for axes, set_name in zip(line, sets, strict=True):
                _histogram(axes, record, set_name)
            label = recipe_label(arm, group).replace(", ", "\n") + suffix
            line[0].set_ylabel(_wrapped(label), fontsize=7)
        for axes, set_name in zip(panels[0], sets, strict=True):
            axes.set_title(set_name)
        figure.supxlabel(_score_label([arm for arm, _ in rows]), fontsize=8)
        add_legend(figure, panels[0][0])
        save(figure, folder / name)
    first = rows[0][0]
    title = first.method_title if first.family == "energy" else f"{group.capitalize()}s"
    return Drawing(
        name,
        f"{title} on {first.condition.label}: fraction of test rows by score, ID and each OOD set ({caption}). "
        "Higher scores are more in-distribution. The axis is linear near the ID rows and logarithmic far from them "
        "(asinh); scores beyond its ends are in the outermost bins.",
    )


def _wrapped(label: str) -> str:
    return "\n".join(part for line in label.splitlines() for part in wrap(line, 20))


def _has_usual_gamma(arm: Arm) -> bool:
    return arm.gamma in (None, poster.supervision_gamma(arm.method, arm.condition.paper))


def _histogram(axes: "Axes", record: Record, name: str) -> None:
    id_scores, ood_scores = np.array(record.scores["id"]), np.array(record.scores.get(name, ()))
    quartiles = np.quantile(id_scores, [0.25, 0.5, 0.75])
    centre, width = quartiles[1], (quartiles[2] - quartiles[0]) or id_scores.std() or 1.0
    id_scores, ood_scores = (
        np.arcsinh((id_scores - centre) / width),
        np.arcsinh((ood_scores - centre) / width),
    )
    low, high = np.quantile(np.concatenate([id_scores, ood_scores]), [0.005, 0.995])
    low, high = low - 0.05, high + 0.05
    edges = np.linspace(low, high, BINS + 1)
    axes.stairs(_fractions(id_scores, edges), edges, fill=True, color=BLUE, alpha=0.55, label="ID test rows")
    if len(ood_scores):
        axes.stairs(_fractions(ood_scores, edges), edges, color=VERMILION, linewidth=1.0, label="OOD rows")
        result = next(result for result in record.results if result.name == name)
        style = {"transform": axes.transAxes, "va": "top", "fontsize": 6.5}
        axes.text(0.04, 0.97, f"AUROC {result.auroc:.3f}", color=INK, **style)
    axes.set_yticks([])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.set_xlim(low, high)
    for fractions in (THREE_TICKS, TWO_TICKS):
        set_round_ticks(
            axes,
            lambda position: float(centre + width * np.sinh(position)),
            lambda score: float(np.arcsinh((score - centre) / width)),
            fractions,
        )
        text = "".join(label.get_text().strip("$") for label in axes.get_xticklabels())
        if len(text.replace(r"\times", "")) < LONGEST_TICKS:
            break


def _fractions(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the fraction of scores per bin; scores beyond the ends count in the outermost bins."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)


def _score_label(arms: Sequence[Arm]) -> str:
    if all(record.normalised for arm in arms for record in arm.done.values()):
        return "log-density (nats)"
    return "score (each panel has its own scale)"
