"""Effects: changes in both polarities with their marks, also averaged over the data sets of the poster."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

from ebmood.results import poster
from ebmood.results.arms import Arm, Polarity, conditions_of
from ebmood.results.comparisons import Change, average, change_of, log_ratios
from ebmood.results.conditions import Condition, Sets
from ebmood.results.pairs import Pair, by_settings, pick, same_settings
from ebmood.results.text import unique_marks


@dataclass(frozen=True)
class Effect:
    """A change in both polarities.

    Attributes:
        aupr_id, aupr_ood: the change with ID, and with OOD, as the positive class.
        marks: marks of the two arms and their data.
        data: label of the data set or sets.
    """

    aupr_id: Change
    aupr_ood: Change
    marks: tuple[str, ...] = ()
    data: str = ""

    def __getitem__(self, polarity: Polarity) -> Change:
        return self.aupr_id if polarity == "aupr_id" else self.aupr_ood


@dataclass(frozen=True)
class FlowChoice:
    """The flow on tables and the flow on images that energy-based models are compared with.

    Attributes:
        tables, images: methods, as in records.
        name: title of the flow, or of both flows if the data sets need both.
        of_poster: whether the average of the poster may contain these flows.
    """

    tables: str
    images: str
    name: str
    of_poster: bool

    def on(self, condition: Condition) -> str:
        """Return the flow for a data set."""
        return self.images if condition.images else self.tables


def poster_conditions(arms: Sequence[Arm]) -> list[Condition]:
    """Return the conditions that are data sets of the poster, complete or reduced."""
    return [condition for condition in conditions_of(arms) if condition.paper]


def flow_choices(arms: Sequence[Arm]) -> list[FlowChoice]:
    """Return the flows that were run on data sets of the poster, or one of the paper's if none was run."""
    kinds = {condition.images for condition in poster_conditions(arms)}
    tables, images = _flows_run(arms, images=False), _flows_run(arms, images=True)
    choices = []
    for table, table_title in (tables or poster.TABLE_FLOWS).items():
        for image, image_title in list((images or poster.IMAGE_FLOWS).items())[: None if images else 1]:
            titles = [table_title] * (False in kinds) + [image_title] * (True in kinds)
            of_poster = (table in poster.TABLE_FLOWS) and (image in poster.IMAGE_FLOWS)
            choices.append(FlowChoice(table, image, " / ".join(titles), of_poster))
    return choices


def _flows_run(arms: Sequence[Arm], *, images: bool) -> dict[str, str]:
    """Return the titles of the flows that were run on tables or on images of the poster, by method."""
    return {
        arm.method: arm.title
        for arm in arms
        if arm.family == "flow" and arm.condition.paper and arm.condition.images == images and not arm.form
    }


def effect_of(pair: Pair, sets: Sets) -> Effect:
    """Return the effect of a pair on the sets of one kind."""
    changes = pair.change(sets, "aupr_id"), pair.change(sets, "aupr_ood")
    return Effect(*changes, pair.marks(*changes, sets=sets), pair.first.condition.label)


def contrast(a: Sequence[Arm], b: Sequence[Arm], sets: Sets, missing: str) -> Effect:
    """Return the effect of the first arm of `a` over the first of `b` with the same settings.

    A mark names the recipe if there are several.
    """
    if not a and not b:
        return Effect(Change(reason=missing), Change(reason=missing), (missing,))
    first_a, first_b, missing = _first_pair(a, b, missing)
    pair = Pair(first_a, first_b, "both", missing)
    change = pair.change(sets, "aupr_id")
    chosen = [(arms, arm) for arms, arm in ((a, first_a), (b, first_b)) if arm and len(arms) > 1]
    marks = [f"one of {len(arms)} recipes" + (f": {arm.name}" if arm.sweep else "") for arms, arm in chosen]
    marks = unique_marks(pair.marks(change, sets=sets), marks)
    return Effect(change, pair.change(sets, "aupr_ood"), marks)


def _first_pair(a: Sequence[Arm], b: Sequence[Arm], missing: str) -> tuple[Arm | None, Arm | None, str]:
    """Return the first arms with the same settings, and why one of them is missing."""
    if not a or not b:
        return (a[0] if a else None), (b[0] if b else None), missing
    same = next(((first, second) for first, second in product(a, b) if same_settings(first, second)), None)
    return (*same, "") if same else (a[0], None, "not run: no two recipes with the same settings")


def flow_average(
    arms: Sequence[Arm], method: str, variant: str, flows: FlowChoice, sets: Sets = "all"
) -> Effect:
    """Return an energy-based model without labels over a flow, averaged over the poster's data sets.

    `arms` belong to one view. An average over fewer than four data sets is marked `partial`.
    """
    conditions = poster_conditions(arms)
    names = [condition.paper for condition in conditions]
    if len(set(names)) < len(names):
        reason = "not run: the study has one data set with several contents; average over one at a time"
        return Effect(Change(reason=reason), Change(reason=reason))
    sides = [
        (pick(arms, c, method, variant, None), pick(arms, c, flows.on(c), variant, None), c)
        for c in conditions
    ]
    present = [(a, b, condition) for a, b, condition in sides if a and b]
    if not present:
        return Effect(Change(reason="not run"), Change(reason="not run"))
    effects = [contrast(a, b, sets, "not run") for a, b, _ in present]
    effect = effects[0] if len(present) == 1 else _mean_effect(present, effects, sets)
    return replace(
        effect,
        marks=unique_marks(effect.marks, partial_mark(len(present))),
        data=f"average ({', '.join(condition.label for _, _, condition in present)})",
    )


def _mean_effect(
    present: Sequence[tuple[Sequence[Arm], Sequence[Arm], Condition]], effects: Sequence[Effect], sets: Sets
) -> Effect:
    failed = next((e.aupr_id.reason for e in effects if e.aupr_id.percent is None), "")
    reason = failed or "not run: no seed is done on all data sets"
    small = any(condition.small for _, _, condition in present)

    def mean(polarity: Polarity) -> Change:
        ratios = average([log_ratios(a[0], b[0], sets, polarity) for a, b, _ in present])
        return change_of(ratios, reason, small)

    return Effect(mean("aupr_id"), mean("aupr_ood"), unique_marks(*(e.marks for e in effects)))


def partial_mark(datasets: int, total: int = len(poster.DATASETS)) -> str:
    """Return `partial: 1 of 4 data sets`, or an empty string for all data sets of the poster."""
    return f"partial: {datasets} of {total} data sets" if datasets < total else ""


def far_differences(a: Arm, b: Arm) -> dict[int, float]:
    """Return for each seed the paired difference of the log-density far from the data.

    The value of an arm is the median over rays at their end, minus the value at their start. Seeds without rays of
    equal length in both arms are skipped.
    """
    differences = {}
    for seed in sorted(a.done.keys() & b.done.keys()):
        a_rays, b_rays = a.done[seed].rays, b.done[seed].rays
        if a_rays and b_rays and a_rays.distance[-1] == b_rays.distance[-1]:
            differences[seed] = a_rays.median[-1] - b_rays.median[-1]
    return differences


def gamma_grids(arms: Sequence[Arm]) -> list[list[Arm]]:
    """Return groups of arms that differ only in gamma, unlabelled first, with two or more weights."""
    grids: list[list[Arm]] = []
    energies = [arm for arm in arms if arm.family == "energy"]
    for key in dict.fromkeys(map(_grid_key, energies)):
        for variant in ("paper", "corrected"):
            members = [arm for arm in energies if _grid_key(arm) == key and arm.variant in (variant, "both")]
            for (grid,) in by_settings(members):
                weights = {arm.gamma for arm in grid} - {None}
                if len(weights) > 1 and grid not in grids:
                    grids.append(grid)
    return grids


def _grid_key(arm: Arm) -> tuple:
    return (arm.condition, arm.selection, arm.method, arm.form, arm.shortened)
