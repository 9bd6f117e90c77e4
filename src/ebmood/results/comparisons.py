r"""Paired relative changes between two arms, and verdicts on the direction of a change.

For each seed :math:`r_s = \log(a_s / b_s)`, where :math:`a_s` and :math:`b_s` are the mean AUC-PR of the two cells
over the same out-of-distribution sets. The change is :math:`100\,(e^{\bar r} - 1)` per cent. Its interval is the
two-sided 95 % Student-t interval of :math:`\bar r`, mapped in the same way. Exchanging the two arms negates every
:math:`r_s`.

A second interval is that of the paired bootstrap: the 2.5 % and 97.5 % quantiles of the mean of seeds that are drawn
with replacement (Efron & Tibshirani 1993, chapter 13). Student's t assumes a normal distribution, which a few seeds of
an unstable training do not have; the bootstrap is too narrow for few seeds. A verdict needs both intervals.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from scipy import stats

from ebmood.core.seeding import numpy_stream
from ebmood.core.settings import Settings
from ebmood.results.arms import Arm, Polarity, chosen_sets, mean_over_sets, seeds_mark
from ebmood.results.conditions import Sets
from ebmood.results.text import unique_marks

Verdict = Literal["supported", "contradicted", "undecided", "small", "failed", "not run", "no direction"]

ENOUGH_SEEDS = 10
"""Number of paired seeds that a verdict needs if their signs differ."""

AGREEING_SEEDS = 5
"""Number of paired seeds that a verdict needs if all of them have the same sign."""

RESAMPLES = 10_000


class Change(Settings):
    """A relative change in per cent over paired seeds, or the reason why it is missing.

    Attributes:
        percent: the change; None if no seeds could be paired.
        low, high: ends of the 95 % Student-t interval; None with fewer than two seeds.
        bootstrap_low, bootstrap_high: ends of the 95 % interval of the paired bootstrap.
        seeds: the paired seeds.
        percents: the change of each paired seed.
        reason: why there is no change, beginning with `failed` or `not run`.
        small: whether it was measured on a reduced data set; then its verdict is `small`.
    """

    percent: float | None = None
    low: float | None = None
    high: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    seeds: tuple[int, ...] = ()
    percents: tuple[float, ...] = ()
    reason: str = ""
    small: bool = False

    @property
    def is_decided(self) -> bool:
        """Whether there are enough seeds for a verdict, and both intervals exclude zero."""
        signs = {np.sign(percent) for percent in self.percents}
        needed = AGREEING_SEEDS if len(signs) == 1 else ENOUGH_SEEDS
        if len(self.percents) < needed:
            return False
        intervals = ((self.low, self.high), (self.bootstrap_low, self.bootstrap_high))
        return all(low is not None and high is not None and low * high > 0 for low, high in intervals)


def t_interval(values: Sequence[float] | np.ndarray) -> tuple[float, float | None, float | None]:
    """Return the mean and its two-sided 95 % Student-t interval. The ends are None for a single value."""
    values = np.asarray(values, dtype=float)
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def bootstrap_interval(values: Sequence[float] | np.ndarray) -> tuple[float | None, float | None]:
    """Return the 95 % percentile interval of the mean of values that are drawn with replacement.

    The ends are None for a single value. Equal values give equal intervals.

    >>> bootstrap_interval([1.0, 1.0, 1.0])
    (1.0, 1.0)
    """
    values = np.sort(np.asarray(values, dtype=float))
    if len(values) < 2:
        return None, None
    drawn = numpy_stream(0, "bootstrap").integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975]).tolist()
    return low, high


def log_ratios(a: Arm, b: Arm, sets: Sets, polarity: Polarity) -> dict[int, float]:
    """Return `log(a_s / b_s)` for every seed that is done in both arms.

    Seeds whose cells were scored on different sets, or whose mean is not a positive number, are skipped.

    Raises:
        ValueError: the arms differ in data, split or selection, so their seeds are not paired.
    """
    if a.condition != b.condition or a.selection != b.selection:
        raise ValueError(f"{a.condition.label} and {b.condition.label} have no paired splits")
    ratios = {}
    for seed in sorted(a.done.keys() & b.done.keys()):
        a_sets, b_sets = chosen_sets(a.done[seed], sets), chosen_sets(b.done[seed], sets)
        if not a_sets or {s.name for s in a_sets} != {s.name for s in b_sets}:
            continue
        a_mean = mean_over_sets(a.done[seed], sets, polarity)
        b_mean = mean_over_sets(b.done[seed], sets, polarity)
        if a_mean > 0 and b_mean > 0 and math.isfinite(a_mean) and math.isfinite(b_mean):
            ratios[seed] = math.log(a_mean / b_mean)
    return ratios


def change_of(ratios: Mapping[int, float], reason: str = "not run", small: bool = False) -> Change:
    """Return the relative change of log ratios by seed. `reason` is used if there are none."""
    if not ratios:
        return Change(reason=reason)
    values = {seed: _percent(ratio) for seed, ratio in ratios.items()}
    return _change(list(ratios.values()), values, small, _percent)


def difference_of(differences: Mapping[int, float], small: bool = False) -> Change:
    """Return the mean of paired differences by seed, in their own unit instead of per cent."""
    if not differences:
        return Change(reason="not run")
    return _change(list(differences.values()), differences, small, float)


def _change(
    values: Sequence[float], by_seed: Mapping[int, float], small: bool, to_unit: Callable[[float], float]
) -> Change:
    """Return the change whose mean and intervals are computed from `values` and mapped by `to_unit`."""
    mean, *ends = (*t_interval(values), *bootstrap_interval(values))
    low, high, bootstrap_low, bootstrap_high = (None if end is None else to_unit(end) for end in ends)
    return Change(
        percent=to_unit(mean),
        low=low,
        high=high,
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        seeds=tuple(by_seed),
        percents=tuple(by_seed.values()),
        small=small,
    )


def compare(a: Arm | None, b: Arm | None, sets: Sets, polarity: Polarity, reason: str = "not run") -> Change:
    """Return the paired change of `a` over `b`. `reason` is used if one of them is None."""
    if a is None or b is None:
        return Change(reason=reason)
    return change_of(log_ratios(a, b, sets, polarity), _why_unpaired(a, b, sets), a.condition.small)


def average(ratios: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Return the mean log ratio over several data sets, for the seeds that all of them have.

    Each data set has the same weight. An interval of the result describes seeds, not a population of data sets.

    >>> average([{0: 1.0, 1: 3.0}, {1: 5.0}])
    {1: 4.0}
    """
    common = sorted(set.intersection(*(set(r) for r in ratios))) if ratios else []
    return {seed: float(np.mean([r[seed] for r in ratios])) for seed in common}


def verdict(change: Change, direction: int | None) -> Verdict:
    """Return whether a change supports the claim that it is positive (`direction` +1) or negative (-1).

    The verdict is `undecided` if one of the two intervals contains zero, with fewer than `AGREEING_SEEDS` paired
    seeds, and with fewer than `ENOUGH_SEEDS` whose signs differ. It is `small` for a change on a reduced data set.
    """
    if direction is None:
        return "no direction"
    if change.percent is None:
        return "failed" if change.reason.startswith("failed") else "not run"
    if change.small:
        return "small"
    if not change.is_decided:
        return "undecided"
    return "supported" if (change.percent > 0) == (direction > 0) else "contradicted"


def verdict_on_some(changes: Sequence[Change], direction: int) -> Verdict:
    """Return whether at least one change has the direction; contradicted if all have the other one."""
    verdicts = [verdict(change, direction) for change in changes]
    if "supported" in verdicts:
        return "supported"
    if verdicts and all(v == "contradicted" for v in verdicts):
        return "contradicted"
    return _without_decision(verdicts)


def verdict_on_all(changes: Sequence[Change], direction: int) -> Verdict:
    """Return whether every change has the direction; contradicted if at least one has the other one."""
    verdicts = [verdict(change, direction) for change in changes]
    if "contradicted" in verdicts:
        return "contradicted"
    return "supported" if verdicts and set(verdicts) == {"supported"} else _without_decision(verdicts)


def _without_decision(verdicts: Sequence[str]) -> Verdict:
    distinct = set(verdicts) - {"not run"}
    if not distinct:
        return "not run"
    return "small" if distinct <= {"small", "failed"} and "small" in distinct else "undecided"


def pair_marks(a: Arm | None, b: Arm | None, pairs: int, sets: Sets = "all") -> tuple[str, ...]:
    """Return the marks of both arms and of their data, and how many of the expected seeds are paired."""
    arms = [arm for arm in (a, b) if arm is not None]
    expected = max((len(arm.expected) for arm in arms), default=0)
    failures = [f"{arm.name}: {arm.failures}" for arm in arms if arm.failures]
    paired = seeds_mark(pairs, expected) if len(arms) == 2 else ""
    data = (arm.condition.flags(sets) for arm in arms)
    return unique_marks(*(arm.flags for arm in arms), *data, paired, failures)


def _percent(log_ratio: float) -> float:
    return 100.0 * math.expm1(log_ratio)


def _why_unpaired(a: Arm, b: Arm, sets: Sets) -> str:
    for arm in (a, b):
        if not arm.done:
            return f"failed: no seed of {arm.name} is done"
    common = a.done.keys() & b.done.keys()
    if not common:
        return "not run: no seed is done on both sides"
    if not any(chosen_sets(a.done[seed], sets) for seed in common):
        return f"not run: no {sets} set"
    return "failed: the two sides were scored on different sets, or an AUC-PR is not a positive number"
