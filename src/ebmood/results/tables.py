"""The tables of scores: every method on every out-of-distribution set, and the means in brief."""

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

import numpy as np

from ebmood.data.dataset import Kind
from ebmood.results.arms import Arm, Metric, conditions_of, gather, one_line
from ebmood.results.bits import bits_table
from ebmood.results.claims import claims_table
from ebmood.results.conditions import Condition, Sets, mark_list
from ebmood.results.contrasts import bottleneck_table, embeddings_table, supervision_table
from ebmood.results.flows import flow_table
from ebmood.results.gaps import gap_table
from ebmood.results.mending import ssm_table, variants_table
from ebmood.results.table import DATA, RECIPE, Cell, Column, Spread, Table, gamma_text, joined, slug
from ebmood.results.weights import gamma_table
from ebmood.study.records import Record

METRICS: dict[Metric, str] = {
    "aupr_id": "AUC-PR (ID +)",
    "aupr_ood": "AUC-PR (OOD +)",
    "auroc": "AUROC",
    "fpr95": "FPR95",
}

_LEGEND = (
    (
        "ID + / OOD +",
        "which side is the positive class of the area under the precision-recall curve. The poster says ID; "
        "the authors' code stores OOD. AUROC is the same either way. FPR95 is the share of OOD rows "
        "accepted at the threshold that accepts 95 % of the ID rows (lower is better).",
    ),
    ("±", "standard deviation over seeds."),
    (
        "change [low, high]",
        "relative change of mean AUC-PR in per cent: the mean of the log ratios of paired seeds, with "
        "its 95 % Student-t interval, both mapped back by 100 (exp(r) - 1).",
    ),
    (
        "supported / contradicted",
        "the interval lies wholly on the claim's side of zero, or wholly on the other.",
    ),
    ("undecided", "fewer than five paired seeds, or an interval that spans zero."),
    (
        "paper / sound / both",
        "the recipe as published; the same with its defects mended; or the two are the same.",
    ),
    (
        "degenerate",
        "a constant minimises the recipe's objective on the recipe's network, so it cannot learn a density.",
    ),
    ("shortened", "trained for less than the protocol's settings."),
    (
        "leak",
        "`selection: paper`: the checkpoint was picked on OOD rows of the families that it is tested on.",
    ),
    ("partial", "an average over fewer than the poster's four data sets."),
    ("n of m seeds", "only n of the m seeds of this data set are done (or paired)."),
    (
        "duplicates across",
        "split row by row, as the paper did: test rows may also stand among the training rows.",
    ),
)

_LEGEND_OF_IMAGES = (
    (
        "small",
        "the data set is one of the paper's, cut. As a verdict: the comparison was made at that scale alone, so it "
        "says nothing for or against the paper, whatever its interval.",
    ),
    ("stand-ins", "some natural sets stand in for the paper's; the scores and the notes name them."),
    ("absent", "natural sets of the paper that are not there, and in no mean."),
    (
        "low-level",
        "content of the ID test images without their meaning (shuffled patches, shuffled pixels, edges, flat "
        "colour). It is part of no mean over natural or non-natural sets.",
    ),
)
_HEALED = (("healed", "in some seed training diverged, went back to an earlier state, and on."),)


def legend(arms: Sequence[Arm]) -> tuple[tuple[str, str], ...]:
    """What the words and marks in the tables of `arms` mean."""
    of_images = any(arm.condition.images for arm in arms)
    healed = any("healed" in arm.flags for arm in arms)
    return (*_LEGEND, *(_LEGEND_OF_IMAGES if of_images else ()), *(_HEALED if healed else ()))


def all_tables(records: Sequence[Record], seeds: Mapping[str, Iterable[int]] | None = None) -> list[Table]:
    """Every table of a study, in the order in which they are read; those about images only where there are any.

    `seeds` are those that were planned, by the data set's name.
    """
    arms = gather(records, seeds)
    images = any(arm.condition.images for arm in arms)
    bits = bits_table(arms)
    return [
        overview_table(arms),
        flow_table(arms),
        *([bits] if bits else []),
        supervision_table(arms),
        *([embeddings_table(arms), bottleneck_table(arms), gap_table(arms)] if images else []),
        gamma_table(arms),
        variants_table(arms),
        ssm_table(arms),
        claims_table(arms),
        *scores_tables(arms),
    ]


def overview_table(arms: Sequence[Arm]) -> Table:
    """Every arm: means over the natural and over the non-natural sets."""
    columns = (
        DATA,
        *RECIPE,
        Column("natural_aupr_id", "natural: AUC-PR (ID +)", "spread"),
        Column("natural_aupr_ood", "AUC-PR (OOD +)", "spread"),
        Column("natural_auroc", "AUROC", "spread"),
        Column("nonnatural_aupr_id", "non-natural: AUC-PR (ID +)", "spread"),
        Column("nonnatural_aupr_ood", "AUC-PR (OOD +)", "spread"),
        Column("nonnatural_auroc", "AUROC", "spread"),
        Column("seconds", "s per cell", "number", digits=0),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    kinds: tuple[Sets, ...] = ("natural", "non-natural")
    metrics: tuple[Metric, ...] = ("aupr_id", "aupr_ood", "auroc")
    rows = []
    for arm in arms:
        means = [_spread(arm, arm.values(sets, metric)) for sets in kinds for metric in metrics]
        seconds = [record.seconds for record in arm.done.values()]
        rows.append(
            (
                arm.condition.label,
                *_recipe_cells(arm),
                *means,
                float(np.mean(seconds)) if seconds else None,
                len(arm.done),
                joined(arm.marks),
            )
        )
    return Table(
        "overview",
        "Scores in brief: mean over the natural and over the non-natural OOD sets",
        columns,
        tuple(rows),
        _not_run(arms),
    )


def scores_tables(arms: Sequence[Arm]) -> list[Table]:
    """One table for each condition: every arm on every out-of-distribution set."""
    return [_scores(arms, condition) for condition in conditions_of(arms)]


def _scores(arms: Sequence[Arm], condition: Condition) -> Table:
    here = [arm for arm in arms if arm.condition == condition]
    sets = dict.fromkeys(
        (result.kind, result.name)
        for arm in here
        for record in arm.done.values()
        for result in record.results
    )
    columns = (
        Column("ood", "OOD set"),
        Column("kind", "kind"),
        *RECIPE,
        *(Column(metric, title, "spread") for metric, title in METRICS.items()),
        Column("rows", "rows a side"),
        Column("seeds", "seeds"),
        Column("marks", "marks"),
    )
    rows: list[tuple[Cell, ...]] = []
    kinds = get_args(Kind)
    for kind, name in sorted(sets, key=lambda pair: kinds.index(pair[0])):
        for arm in here:
            results = [r for record in arm.done.values() for r in record.results if r.name == name]
            marks = arm.marks_on("low-level")  # of other sets than the row's own, nothing need be said here
            values = [np.array([getattr(result, metric) for result in results]) for metric in METRICS]
            unscored = "not scored on this set" if arm.done and not results else ""
            stands_in = "stand-in" if name in condition.stand_ins else ""
            rows.append(
                (
                    name,
                    kind,
                    *_recipe_cells(arm),
                    *(_spread(arm, each) for each in values),
                    " / ".join(str(n) for n in sorted({result.rows for result in results})),
                    len(results),
                    joined(mark_list(marks, stands_in, unscored)),
                )
            )
    if not sets:
        nothing: tuple[Cell, ...] = (*("failed" for _ in METRICS), None, 0)
        rows = [
            (None, None, *_recipe_cells(arm), *nothing, joined(arm.marks_on("low-level"))) for arm in here
        ]
    for name, reason in condition.absent.items():
        nowhere = ("all", None, None, *("absent" for _ in METRICS), None, None)
        rows.append((name, "natural", *nowhere, f"absent: {one_line(reason)}"))
    title = f"Scores on {condition.label}: mean ± standard deviation over seeds"
    return Table(f"scores-{slug(condition.label)}", title, columns, tuple(rows), _not_run(arms, condition))


def _recipe_cells(arm: Arm) -> tuple[str, str, str]:
    return arm.name, gamma_text(arm.gamma), arm.variant


def _spread(arm: Arm, values: np.ndarray) -> Cell:
    return Spread.of(values) or (None if arm.done else "failed")


def _not_run(arms: Sequence[Arm], only: Condition | None = None) -> tuple[str, ...]:
    """One line for each condition that lacks recipes which the study ran elsewhere."""

    def look(arm: Arm) -> str:
        label = f"{arm.name} {arm.variant}" if arm.variant != "both" else arm.name
        return label if arm.gamma is None else f"{label} γ = {arm.gamma:g}"

    everywhere = dict.fromkeys(look(arm) for arm in arms)
    notes = []
    for condition in conditions_of(arms):
        here = {look(arm) for arm in arms if arm.condition == condition}
        missing = [name for name in everywhere if name not in here]
        if missing and only in (None, condition):
            notes.append(f"Not run on {condition.label}, though elsewhere: {', '.join(missing)}.")
    return tuple(notes)
