"""One claim of the paper with its verdict, and how verdicts on several results become one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ebmood.results import poster
from ebmood.results.comparisons import (
    Change,
    Verdict,
    difference_of,
    verdict,
    verdict_on_all,
    verdict_on_some,
)
from ebmood.results.effects import Effect
from ebmood.results.text import unique_marks

NOT_RUN = Change(reason="not run")
NO_EFFECT = Effect(NOT_RUN, NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """One claim, for one variant and one data set or several.

    Attributes:
        text: the claim.
        data, variant: where it is judged; the variant is `either` if nothing was run.
        reported: the number of the poster, as text.
        effect: the change of this study.
        verdicts: with ID, and with OOD, as the positive class (None if the claim does not depend on it).
        evidence: basis of the verdict, if it is not a single change.
        general: whether it is a statement of the poster's text, not one number of its tables.
    """

    text: str
    data: str
    variant: str
    reported: str
    effect: Effect
    verdicts: tuple[Verdict, Verdict | None]
    evidence: tuple[str, ...] = ()
    general: bool = False


def judge(effect: Effect, direction: int | None) -> tuple[Verdict, Verdict]:
    """Return the verdicts on one effect in both polarities."""
    return verdict(effect.aupr_id, direction), verdict(effect.aupr_ood, direction)


def claim_on_several(
    text: str,
    data: str,
    variant: str,
    effects: Sequence[Effect],
    direction: int,
    reported: str,
    partial: str = "",
    every: bool = False,
) -> Claim:
    """Return the claim that at least one of several effects (or `every` one) has the direction."""
    judge_all = verdict_on_all if every else verdict_on_some
    verdicts = (
        judge_all([effect.aupr_id for effect in effects], direction),
        judge_all([effect.aupr_ood for effect in effects], direction),
    )
    marks = unique_marks(_marks_of_some(effects), partial)
    counts = _counts([effect.aupr_id for effect in effects])
    return Claim(text, data, variant, reported, Effect(NOT_RUN, NOT_RUN, marks), verdicts, (counts,), True)


def verdict_on_difference(
    name: str, differences: Mapping[int, float], direction: int, small: bool
) -> tuple[Verdict, str]:
    """Return the verdict on paired differences that are not relative changes, and their mean as text.

    Args:
        name: name of the quantity.
        differences: the differences by seed; empty if nothing was run.
        direction: +1 if the claim is that they are positive, -1 for negative.
        small: whether the data set is reduced.
    """
    change = difference_of(differences, small)
    if change.percent is None:
        return "not run", f"no {name}"
    judged, seeds = verdict(change, direction), len(change.seeds)
    if change.low is None or change.high is None:
        return judged, f"{name} {change.percent:+.3g} ({seeds} seed)"
    return judged, f"{name} {change.percent:+.3g} [{change.low:+.3g}, {change.high:+.3g}] ({seeds} seeds)"


def not_run(text: str, data: str, reported: str, evidence: str) -> Claim:
    """Return a claim on data of the study that no run addresses; `evidence` states what is missing."""
    return Claim(text, data, "either", reported, NO_EFFECT, ("not run", "not run"), (evidence,), True)


def rises(table: Iterable[poster.Reported], kind: str) -> str:
    """Return how many of the poster's numbers on sets of one kind rise, such as `4 of 6 rise`."""
    percents = [r.percent for r in table if r.kind == kind and r.percent is not None]
    return f"{sum(percent > 0 for percent in percents)} of {len(percents)} rise"


def _counts(changes: Sequence[Change]) -> str:
    if not changes:
        return "not run"
    small = [change.percent for change in changes if change.small and change.percent is not None]
    if small:
        positive = sum(percent > 0 for percent in small)
        return f"{positive} of {len(small)} rise at small scale (ID +)"
    verdicts = [verdict(change, 1) for change in changes]
    up, down = verdicts.count("supported"), verdicts.count("contradicted")
    return f"{up} up, {down} down, {len(verdicts) - up - down} without a verdict (ID +)"


def _marks_of_some(effects: Sequence[Effect]) -> tuple[str, ...]:
    """Return the marks of several effects. The rows of the single effects show which of them have a mark."""
    marks = unique_marks(*(effect.marks for effect in effects))
    of_arms = ("degenerate", "shortened", "unstable", "rollback")
    arm_marks = [f"some {mark}" for mark in marks if mark in of_arms]
    failures = ["some failed"] if any("failed" in mark for mark in marks) else []
    of_data = ("leak", "small", "stand-ins", "partial", "absent")
    return unique_marks(arm_marks, failures, [mark for mark in marks if mark.startswith(of_data)])
