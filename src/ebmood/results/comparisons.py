r"""Paired relative changes between two arms, and verdicts on the direction of a change.

For each seed :math:`r_s = \log(a_s / b_s)`, where :math:`a_s` and :math:`b_s` are the mean AUC-PR of the two
cells over the same out-of-distribution sets. The change is :math:`100\,(e^{\bar r} - 1)` per cent; its
interval is the two-sided 95 % Student-t interval of :math:`\bar r`, mapped the same way. Swapping the sides
negates every :math:`r_s`.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from ebmood.core.settings import Settings
from ebmood.results.arms import Arm, Polarity, chosen_sets, mean_over_sets, seeds_mark
from ebmood.results.conditions import Sets, mark_list

Verdict = Literal["supported", "contradicted", "undecided", "small", "failed", "not run", "no direction"]

FEWEST_SEEDS = 5
"""With fewer paired seeds no verdict is given."""


class Change(Settings):
    """A relative change in per cent over paired seeds, or why there is none.

    Attributes:
        percent: the change; None where no seed could be paired.
        low, high: ends of the 95 % interval; None with fewer than two seeds.
        seeds: the paired seeds.
        why: why there is no number: `failed: ...`, `not run: ...`.
        small: it was measured on one of the paper's data sets, cut: it gets no verdict but "small".
    """

    percent: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: tuple[int, ...] = ()
    why: str = ""
    small: bool = False


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float | None, float | None]:
    """Mean and two-sided 95 % Student-t interval; the ends are None for a single value."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def log_ratios(a: Arm, b: Arm, sets: Sets, polarity: Polarity) -> dict[int, float]:
    """`log(a_s / b_s)` for every seed that is done in both arms, over the sets that both were scored on.

    Seeds whose cells were scored on different sets, or whose mean is not a positive number, are left out.

    Raises:
        ValueError: the arms differ in data, in splitting or in selection, so that seeds are no pairs.
    """
    if a.condition != b.condition or a.selection != b.selection:
        raise ValueError(f"{a.condition.label} and {b.condition.label} hold no pairs of equal splits")
    ratios = {}
    for seed in a.done.keys() & b.done.keys():
        ours, theirs = chosen_sets(a.done[seed], sets), chosen_sets(b.done[seed], sets)
        if not ours or {s.name for s in ours} != {s.name for s in theirs}:
            continue
        above = mean_over_sets(a.done[seed], sets, polarity)
        below = mean_over_sets(b.done[seed], sets, polarity)
        if above > 0 and below > 0 and math.isfinite(above) and math.isfinite(below):
            ratios[seed] = math.log(above / below)
    return dict(sorted(ratios.items()))


def change_of(ratios: Mapping[int, float], why: str = "not run", small: bool = False) -> Change:
    """The relative change of log ratios by seed; `why` is kept where there are none, `small` where there are."""
    if not ratios:
        return Change(why=why)
    mean, low, high = t_interval(list(ratios.values()))
    return Change(
        percent=_percent(mean),
        low=None if low is None else _percent(low),
        high=None if high is None else _percent(high),
        seeds=tuple(ratios),
        small=small,
    )


def compare(a: Arm | None, b: Arm | None, sets: Sets, polarity: Polarity, missing: str = "not run") -> Change:
    """The paired change of `a` over `b`. An arm that is None gives `missing` as the reason."""
    if a is None or b is None:
        return Change(why=missing)
    return change_of(log_ratios(a, b, sets, polarity), _no_pairs(a, b, sets), a.condition.small)


def average(ratios: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Mean log ratio over several data sets, for the seeds that all of them have.

    Each data set weighs the same; its interval speaks of seeds, not of a population of data sets.
    """
    common = sorted(set.intersection(*(set(r) for r in ratios))) if ratios else []
    return {seed: float(np.mean([r[seed] for r in ratios])) for seed in common}


def verdict(change: Change, direction: int | None) -> Verdict:
    """Whether a change agrees with a claim that it is positive (`direction` +1) or negative (-1).

    `undecided` under `FEWEST_SEEDS` paired seeds, or where the interval holds zero. Never more than `small` for a
    change that is.
    """
    if direction is None:
        return "no direction"
    if change.percent is None:
        return "failed" if change.why.startswith("failed") else "not run"
    if change.small:
        return "small"
    if len(change.seeds) < FEWEST_SEEDS or change.low is None or change.high is None:
        return "undecided"
    if change.low <= 0 <= change.high:
        return "undecided"
    return "supported" if (change.percent > 0) == (direction > 0) else "contradicted"


def verdict_on_some(changes: Sequence[Change], direction: int) -> Verdict:
    """Whether one change or more goes in `direction`; contradicted if every one goes the other way."""
    verdicts = [verdict(change, direction) for change in changes]
    if "supported" in verdicts:
        return "supported"
    if verdicts and all(v == "contradicted" for v in verdicts):
        return "contradicted"
    return _without_verdict(verdicts)


def verdict_on_all(changes: Sequence[Change], direction: int) -> Verdict:
    """Whether every change goes in `direction`; contradicted if one goes the other way."""
    verdicts = [verdict(change, direction) for change in changes]
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts and set(verdicts) == {"supported"} else _without_verdict(verdicts)


def _without_verdict(verdicts: Sequence[str]) -> Verdict:
    told = set(verdicts) - {"not run"}
    if not told:
        return "not run"
    return "small" if told <= {"small", "failed"} and "small" in told else "undecided"


def pair_marks(a: Arm | None, b: Arm | None, pairs: int, sets: Sets = "all") -> tuple[str, ...]:
    """The marks of both arms and of their data, and how many of the expected seeds are paired."""
    arms = [arm for arm in (a, b) if arm is not None]
    expected = max((len(arm.expected) for arm in arms), default=0)
    failures = [f"{arm.name}: {arm.failures}" for arm in arms if arm.failures]
    paired = seeds_mark(pairs, expected) if len(arms) == 2 else ""
    data = (arm.condition.flags(sets) for arm in arms)
    return mark_list(*(arm.flags for arm in arms), *data, paired, failures)


def _percent(log_ratio: float) -> float:
    return 100.0 * math.expm1(log_ratio)


def _no_pairs(a: Arm, b: Arm, sets: Sets) -> str:
    for arm in (a, b):
        if not arm.done:
            return f"failed: no seed of {arm.name} is done"
    common = a.done.keys() & b.done.keys()
    if not common:
        return "not run: no seed is done on both sides"
    if not any(chosen_sets(a.done[seed], sets) for seed in common):
        return f"not run: no {sets} set"
    return "failed: the two sides were scored on different sets, or an AUC-PR is not a positive number"
