"""Paired changes and verdicts."""

import math

import numpy as np
import pytest
from helpers.records import failed_record, made_record, made_result, seeds
from scipy import stats

from ebmood.results.arms import gather
from ebmood.results.comparisons import (
    Change,
    average,
    bootstrap_interval,
    change_of,
    compare,
    difference_of,
    log_ratios,
    pair_marks,
    t_interval,
    verdict,
    verdict_on_all,
    verdict_on_some,
)

SCORES = [0.71, 0.74, 0.69, 0.78, 0.73]


def arms_of(*groups):
    """The arms of several groups of records, in the order of the groups."""
    arms = gather([record for group in groups for record in group])
    return [next(arm for arm in arms if any(group[0] is r for r in arm.records.values())) for group in groups]


def test_the_interval_agrees_with_scipy_on_log_ratios():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0.4, 0.9, (2, 5))
    ours, theirs = arms_of(seeds(5, "ssm", a.tolist()), seeds(5, "radial", b.tolist()))
    change = compare(ours, theirs, "all", "aupr_id")
    logs = np.log(a) - np.log(b)
    low, high = stats.ttest_rel(np.log(a), np.log(b)).confidence_interval(0.95)
    assert change.percent == pytest.approx(100 * (math.exp(logs.mean()) - 1), rel=1e-12)
    assert change.low == pytest.approx(100 * (math.exp(low) - 1), rel=1e-10)
    assert change.high == pytest.approx(100 * (math.exp(high) - 1), rel=1e-10)


def test_a_uniform_factor_is_recovered():
    ours, theirs = arms_of(seeds(5, "ssm", [1.25 * s for s in SCORES]), seeds(5, "radial", SCORES))
    change = compare(ours, theirs, "all", "aupr_id")
    assert change.percent == pytest.approx(25, abs=1e-10)
    assert change.low == pytest.approx(25, abs=1e-10)
    assert change.high == pytest.approx(25, abs=1e-10)
    assert change.seeds == (0, 1, 2, 3, 4)
    assert change.percents == pytest.approx([25] * 5)


def test_exchanging_the_sides_negates_the_log_ratios():
    ours, theirs = arms_of(seeds(5, "ssm", SCORES), seeds(5, "radial", SCORES[::-1]))
    forth, back = log_ratios(ours, theirs, "all", "aupr_id"), log_ratios(theirs, ours, "all", "aupr_id")
    assert forth == pytest.approx({seed: -value for seed, value in back.items()})
    first, second = change_of(forth), change_of(back)
    assert (1 + first.high / 100) * (1 + second.low / 100) == pytest.approx(1)


def test_pairs_are_made_by_seed_in_any_order_of_records():
    ours = [made_record("ssm", seed, 0.5 + seed / 100) for seed in (4, 2, 9)]
    theirs = [made_record("radial", seed, 0.5 + seed / 100) for seed in (9, 4, 7, 2)]
    a, b = arms_of(ours, theirs)
    assert log_ratios(a, b, "all", "aupr_id") == pytest.approx({2: 0, 4: 0, 9: 0}, abs=1e-15)


@pytest.mark.parametrize(
    "other",
    [{"dataset_digest": "e" * 16}, {"duplicates": "across"}, {"selection": "paper"}, {"dataset": "x"}],
)
def test_other_data_splits_or_selections_raise(other):
    a, b = arms_of(seeds(5, "ssm"), seeds(5, "radial", **other))
    with pytest.raises(ValueError, match="no paired splits"):
        log_ratios(a, b, "all", "aupr_id")


def test_cells_scored_on_different_sets_are_not_paired():
    a, b = arms_of(seeds(2, "ssm"), seeds(2, "radial", {"sky": 0.5, "uniform": 0.5}))
    assert log_ratios(a, b, "non-natural", "aupr_id") == {}
    assert len(log_ratios(a, b, "natural", "aupr_id")) == 2


def test_polarities_and_kinds_are_separate():
    def records(method, natural, other):
        results = [made_result("sky", *natural), made_result("uniform", *other)]
        return [made_record(method, seed, results=results) for seed in (0, 1)]

    a, b = arms_of(records("ssm", (0.6, 0.9), (0.88, 0.42)), records("radial", (0.5, 0.6), (0.8, 0.6)))
    expected = {
        ("natural", "aupr_id"): 20,
        ("natural", "aupr_ood"): 50,
        ("non-natural", "aupr_id"): 10,
        ("non-natural", "aupr_ood"): -30,
        ("all", "aupr_id"): 100 * (1.48 / 1.3 - 1),
    }
    for (sets, polarity), percent in expected.items():
        assert compare(a, b, sets, polarity).percent == pytest.approx(percent)


def test_failed_seeds_are_skipped_and_a_side_without_results_has_a_reason():
    half = [*seeds(3, "ssm"), failed_record("ssm", 3), failed_record("ssm", 4)]
    a, b = arms_of(half, seeds(5, "radial"))
    assert compare(a, b, "all", "aupr_id").seeds == (0, 1, 2)
    a, b = arms_of([failed_record("ssm", s) for s in range(5)], seeds(5, "radial"))
    change = compare(a, b, "all", "aupr_id")
    assert change.percent is None
    assert change.reason == "failed: no seed of SSM is done"
    assert pair_marks(a, b, 0) == ("0 of 5 seeds", "SSM: 5 failed: loss is not finite at step 7")
    assert verdict(change, 1) == "failed"


def test_a_score_that_is_not_a_positive_number_is_not_paired():
    a, b = arms_of(seeds(3, "ssm", [0.5, float("nan"), 0.0]), seeds(3, "radial", 0.5))
    assert compare(a, b, "all", "aupr_id").seeds == (0,)


def test_the_average_uses_common_seeds_with_equal_weights():
    assert average([{0: 0.1, 1: 0.3, 2: 9.0}, {1: 0.5, 0: 0.3}]) == pytest.approx({0: 0.2, 1: 0.4})
    assert average([]) == {}


def test_one_value_has_no_interval():
    assert t_interval([0.5]) == (0.5, None, None)
    assert verdict(change_of({0: 1.0}), 1) == "undecided"


def change_with(mean, half, seeds=5, differing=0):
    """A change whose two intervals are `mean` +- `half`, of which `differing` seeds have the other sign."""
    percents = (-mean,) * differing + (mean,) * (seeds - differing)
    ends = {"low": mean - half, "high": mean + half}
    bootstrap = {f"bootstrap_{name}": end for name, end in ends.items()}
    return Change(percent=mean, seeds=tuple(range(seeds)), percents=percents, **ends, **bootstrap)


@pytest.mark.parametrize(
    ("change", "direction", "expected"),
    [
        (change_with(5, 4), 1, "supported"),
        (change_with(5, 4), -1, "contradicted"),
        (change_with(-5, 4), -1, "supported"),
        (change_with(-5, 4), 1, "contradicted"),
        (change_with(5, 6), 1, "undecided"),
        (change_with(-5, 6), 1, "undecided"),
        (change_with(5, 5), 1, "undecided"),
        (change_with(5, 4, seeds=4), 1, "undecided"),
        (change_with(5, 4, seeds=9, differing=1), 1, "undecided"),
        (change_with(5, 4, seeds=10, differing=1), 1, "supported"),
        (change_with(5, 4).updated(low=-1), 1, "undecided"),
        (change_with(5, 4).updated(bootstrap_low=-1), 1, "undecided"),
        (change_with(5, 4), None, "no direction"),
    ],
)
def test_verdicts(change, direction, expected):
    assert verdict(change, direction) == expected


def test_the_bootstrap_interval_is_that_of_scipy():
    values = np.random.default_rng(1).exponential(size=10)
    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=0
    ).confidence_interval
    assert bootstrap_interval(values) == pytest.approx(tuple(expected), rel=0.02)
    assert bootstrap_interval(values[::-1]) == bootstrap_interval(values)
    assert bootstrap_interval(-values) == pytest.approx((-expected.high, -expected.low), rel=0.02)


def test_a_change_has_both_intervals():
    ratios = {0: 0.1, 1: 0.2, 2: 0.15, 3: 0.1, 4: 0.3}
    change = change_of(ratios)
    low, high = bootstrap_interval(list(ratios.values()))
    assert change.bootstrap_low == pytest.approx(100 * (np.exp(low) - 1))
    assert change.bootstrap_high == pytest.approx(100 * (np.exp(high) - 1))
    difference = difference_of(ratios)
    assert (difference.percent, difference.bootstrap_low) == (pytest.approx(0.17), pytest.approx(low))
    assert difference_of({}).reason == "not run"


def test_the_verdict_of_a_missing_change_tells_why():
    assert verdict(Change(reason="not run: no radial flow"), 1) == "not run"
    assert verdict(Change(reason="failed: SSM, 5 failed"), 1) == "failed"


def test_verdict_on_some():
    up, down, open_ = change_with(5, 4), change_with(-5, 4), change_with(1, 5)
    assert verdict_on_some([down, up, open_], 1) == "supported"
    assert verdict_on_some([down, down], 1) == "contradicted"
    assert verdict_on_some([down, open_], 1) == "undecided"
    assert verdict_on_some([Change(reason="not run")], 1) == "not run"
    assert verdict_on_some([], 1) == "not run"


def change_between(low, high, small=False):
    return change_with((low + high) / 2, (high - low) / 2).updated(small=small)


@pytest.mark.parametrize(
    ("changes", "on_all", "on_some"),
    [
        ([change_between(1, 9), change_between(2, 3)], "supported", "supported"),
        ([change_between(1, 9), change_between(-1, 3)], "undecided", "supported"),
        ([change_between(1, 9), change_between(-3, -1)], "contradicted", "supported"),
        ([change_between(1, 9), Change(reason="not run")], "undecided", "supported"),
        ([change_between(1, 9, small=True), change_between(2, 3, small=True)], "small", "small"),
        ([change_between(1, 9, small=True), Change(reason="failed: x")], "small", "small"),
        ([change_between(1, 9, small=True), change_between(-1, 3)], "undecided", "undecided"),
        ([Change(reason="not run")], "not run", "not run"),
        ([], "not run", "not run"),
    ],
)
def test_verdicts_on_several_changes(changes, on_all, on_some):
    assert verdict_on_all(changes, 1) == on_all
    assert verdict_on_some(changes, 1) == on_some
