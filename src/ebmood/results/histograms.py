"""Figure: histograms of scores, ID test rows against each out-of-distribution set."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from ebmood.results import poster
from ebmood.results.arms import Arm, chosen_sets, method_name
from ebmood.results.drawing import (
    BLUE,
    INK,
    VERMILION,
    Picture,
    legend,
    new_figure,
    recipe_label,
    record_with,
    round_ticks,
    save,
    seeds_drawn,
    shown,
)
from ebmood.results.table import slug
from ebmood.study.records import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 30


def histograms(arms: Sequence[Arm], stem: str, folder: Path) -> Iterator[Picture]:
    """One figure for each energy-based method, one for flows, one for baselines; a row for each recipe."""
    groups: dict[str, list[Arm]] = {}
    for arm in arms:
        if shown(arm, "scores") is not None:
            groups.setdefault(arm.method if arm.family == "energy" else arm.family, []).append(arm)
    for group, members in groups.items():
        usual = [arm for arm in members if arm.gamma in (None, _usual_gamma(arm))] or members
        records = [record_with(arm, "scores") for arm in usual]
        sets = list(dict.fromkeys(r.name for record in records for r in chosen_sets(record, "all")))
        if not sets:
            continue
        told, seeds = seeds_drawn(records)
        with new_figure(len(usual), len(sets), 1.75, 1.25) as (figure, panels):
            for row, arm, record, seed in zip(panels, usual, records, seeds, strict=True):
                for axes, name in zip(row, sets, strict=True):
                    _histogram(axes, record, name)
                row[0].set_ylabel(_narrow(recipe_label(arm, group).replace(", ", "\n") + seed), fontsize=7)
            for axes, name in zip(panels[0], sets, strict=True):
                axes.set_title(name)
            figure.supxlabel(_score_label(usual), fontsize=8)
            legend(figure, panels[0][0])
            name = f"histograms-{stem}-{slug(group)}"
            save(figure, folder / name)
        title = method_name(group) if group in ("ssm", "cd", "vera") else f"{group}s"
        label = usual[0].condition.label
        yield Picture(
            name,
            f"{title} on {label}: share of test rows by score, ID against each OOD set ({told}); "
            "higher is more in-distribution. Steps are even near the ID rows and grow far from them (asinh); "
            "scores beyond the ends count in the outermost bins.",
        )


def _narrow(label: str) -> str:
    return "\n".join(part for line in label.splitlines() for part in wrap(line, 20))


def _usual_gamma(arm: Arm) -> float:
    return poster.supervision_gamma(arm.method, arm.condition.paper)


def _histogram(axes: "Axes", record: Record, name: str) -> None:
    inside, outside = np.array(record.scores["id"]), np.array(record.scores.get(name, ()))
    # OOD scores may lie a million ID widths away: even steps near the ID rows, growing steps far from them.
    quarters = np.quantile(inside, [0.25, 0.5, 0.75])
    centre, width = quarters[1], (quarters[2] - quarters[0]) or inside.std() or 1.0
    inside, outside = np.arcsinh((inside - centre) / width), np.arcsinh((outside - centre) / width)
    low, high = np.quantile(np.concatenate([inside, outside]), [0.005, 0.995])
    low, high = low - 0.05, high + 0.05
    edges = np.linspace(low, high, BINS + 1)
    axes.stairs(_shares(inside, edges), edges, fill=True, color=BLUE, alpha=0.55, label="ID test rows")
    if len(outside):
        axes.stairs(_shares(outside, edges), edges, color=VERMILION, linewidth=1.0, label="OOD rows")
        result = next(result for result in record.results if result.name == name)
        place = {"transform": axes.transAxes, "va": "top", "fontsize": 6.5}
        axes.text(0.04, 0.97, f"AUROC {result.auroc:.3f}", color=INK, **place)
    axes.set_yticks([])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
    axes.set_xlim(low, high)
    for places in ((0.14, 0.5, 0.86), (0.14, 0.86)):  # long labels need the room of two
        round_ticks(
            axes,
            lambda place: float(centre + width * np.sinh(place)),
            lambda score: float(np.arcsinh((score - centre) / width)),
            places,
        )
        text = "".join(label.get_text().strip("$") for label in axes.get_xticklabels())
        if len(text.replace(r"\times", "")) < 23:
            break


def _shares(scores: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares of scores by bin; what lies beyond the ends counts in the outermost bins."""
    return np.histogram(np.clip(scores, edges[0], edges[-1]), edges)[0] / len(scores)


def _score_label(arms: Sequence[Arm]) -> str:
    if all(record.normalised for arm in arms for record in arm.done.values()):
        return "log-density (nats)"
    return "score (each panel has its own scale)"
