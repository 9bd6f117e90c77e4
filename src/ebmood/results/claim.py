"""One claim of the paper, its verdict, and how verdicts on several results become one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebmood.results import poster
from ebmood.results.comparisons import Change, Verdict, verdict, verdict_on_all, verdict_on_some
from ebmood.results.conditions import mark_list
from ebmood.results.findings import Finding
from ebmood.results.table import Cell, joined

NOT_RUN = Change(why="not run")
NOWHERE = Finding(NOT_RUN, NOT_RUN)


@dataclass(frozen=True)
class Claim:
    """One claim, under one variant, on one body of data.

    Attributes:
        text: the claim.
        data, variant: where it is judged; the variant is `either` where nothing was run.
        reported: what the poster gives for it.
        finding: our changes.
        verdicts: with ID, and with OOD, as the positive class (None where the claim has no polarity).
        evidence: what the verdict rests on where that is no single change.
    """

    text: str
    data: str
    variant: str
    reported: str
    finding: Finding
    verdicts: tuple[Verdict, Verdict | None]
    evidence: tuple[str, ...] = ()

    def row(self) -> tuple[Cell, ...]:
        """The claim as a row of the table."""
        changes = [self.finding.aupr_id, self.finding.aupr_ood]
        ours, theirs = (None if change == NOT_RUN and self.evidence else change for change in changes)
        marks = joined(mark_list(self.evidence, self.finding.marks))
        pairs = len(self.finding.aupr_id.seeds) or None
        head = (self.text, self.data, self.variant, self.reported)
        return (*head, ours, self.verdicts[0], theirs, self.verdicts[1], pairs, marks)


def judge(finding: Finding, direction: int | None) -> tuple[Verdict, Verdict]:
    """The verdicts on one finding in both polarities."""
    return verdict(finding.aupr_id, direction), verdict(finding.aupr_ood, direction)


def claim_on_several(
    text: str,
    data: str,
    variant: str,
    findings: Sequence[Finding],
    direction: int,
    reported: str,
    partial: str = "",
    every: bool = False,
) -> Claim:
    """A claim that some of several findings (or `every` one) go in `direction`."""
    judged_by = verdict_on_all if every else verdict_on_some
    verdicts = (
        judged_by([finding.aupr_id for finding in findings], direction),
        judged_by([finding.aupr_ood for finding in findings], direction),
    )
    marks = mark_list(_marks_of_some(findings), partial)
    told = _told([finding.aupr_id for finding in findings])
    return Claim(text, data, variant, reported, Finding(NOT_RUN, NOT_RUN, marks), verdicts, (told,))


def verdict_on_difference(
    what: str, difference: tuple[float, float | None, float | None, int] | None, direction: int, small: bool
) -> tuple[Verdict, str]:
    """The verdict on a paired difference that is no relative change, and the difference in words.

    Args:
        what: differs.
        difference: mean, ends of its 95 % interval (None for a single seed), and seeds; None where there is none.
        direction: +1 where the claim is that it is positive, -1 that it is negative.
        small: the data set is cut.
    """
    if difference is None:
        return "not run", f"no {what}"
    mean, low, high, seeds = difference
    change = Change(percent=mean, low=low, high=high, seeds=tuple(range(seeds)), small=small)
    if low is None or high is None:
        return verdict(change, direction), f"{what} {mean:+.3g} ({seeds} seed)"
    return verdict(change, direction), f"{what} {mean:+.3g} [{low:+.3g}, {high:+.3g}] ({seeds} seeds)"


def not_run(text: str, data: str, reported: str, evidence: str) -> Claim:
    """A claim that nothing here speaks to; `evidence` says what that would take."""
    return Claim(text, data, "either", reported, NOWHERE, ("not run", "not run"), (evidence,))


def missing(datasets: Iterable[str]) -> str:
    """What a claim on some of the poster's data sets (keys of `poster.DATASETS`) lacks."""
    return "not run: needs " + ", ".join(poster.DATASETS[dataset] for dataset in datasets)


def _told(changes: Sequence[Change]) -> str:
    if not changes:
        return "not run"
    small = [change.percent for change in changes if change.small and change.percent is not None]
    if small:
        rise = sum(percent > 0 for percent in small)
        return f"{rise} of {len(small)} rise at small scale (ID +)"
    judged = [verdict(change, 1) for change in changes]
    up, down = judged.count("supported"), judged.count("contradicted")
    return f"{up} up, {down} down, {len(judged) - up - down} without a verdict (ID +)"


def _marks_of_some(findings: Sequence[Finding]) -> tuple[str, ...]:
    """The marks that some of several findings carry; which of them, their own rows say."""
    marks = mark_list(*(finding.marks for finding in findings))
    flags = [f"some {mark}" for mark in marks if mark in ("degenerate", "shortened", "healed")]
    failures = ["some failed"] if any("failed" in mark for mark in marks) else []
    whole = ("leak", "small", "stand-ins", "partial", "absent")
    return mark_list(flags, failures, [mark for mark in marks if mark.startswith(whole)])
