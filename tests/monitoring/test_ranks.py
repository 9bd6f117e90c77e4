import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from ebmood.monitoring.ranks import RankPool, StratifiedPool, uniforms

LARGE = 10**9


def brute_force(reference, feed, draws, capacity=LARGE):
    earlier, result = list(reference), []
    for i, (z, u) in enumerate(zip(feed, draws, strict=True)):
        if i and i % capacity == 0:
            earlier = []
        less = sum(e < z for e in earlier)
        equal = sum(e == z for e in earlier)
        earlier.append(z)
        result.append((less + u * (equal + 1)) / len(earlier))
    return np.array(result)


@pytest.mark.parametrize("capacity", [LARGE, 100, 300])
def test_p_values_are_the_ranks_among_all_earlier_values(capacity):
    rng = np.random.default_rng(0)
    reference, feed = rng.integers(0, 50, 70).astype(float), rng.integers(0, 50, 900).astype(float)
    draws = rng.uniform(size=900)
    p = RankPool(reference, capacity).p_values(feed, draws)
    np.testing.assert_array_equal(p, brute_force(reference, feed, draws, capacity))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=6), st.sampled_from([LARGE, 128]))
def test_p_values_do_not_depend_on_how_the_feed_is_cut(sizes, capacity):
    rng = np.random.default_rng(sum(sizes))
    reference, feed = rng.normal(size=30), rng.normal(size=sum(sizes)).round(1)
    draws = rng.uniform(size=len(feed))
    pool, parts = RankPool(reference, capacity), np.cumsum(sizes)[:-1]
    cut = [pool.p_values(f, d) for f, d in zip(np.split(feed, parts), np.split(draws, parts), strict=True)]
    whole = RankPool(reference, capacity).p_values(feed, draws)
    np.testing.assert_array_equal(np.concatenate(cut), whole)


def test_the_set_of_ranks_after_the_feed_does_not_depend_on_its_order():
    feed = np.random.default_rng(0).normal(size=500)
    pool, reversed_pool = RankPool(np.zeros(0), LARGE), RankPool(np.zeros(0), LARGE)
    pool.p_values(feed, np.full(500, 0.5))
    reversed_pool.p_values(feed[::-1], np.full(500, 0.5))
    np.testing.assert_array_equal(pool.values(), reversed_pool.values())


@pytest.mark.parametrize("ties", [False, True])
def test_p_values_of_exchangeable_rows_are_uniform_and_uncorrelated(ties):
    # Jointly over reference and feed: every feed has a reference of its own.
    rng = np.random.default_rng(1)
    feeds = []
    for _ in range(2000):
        rows = rng.normal(size=25)
        rows = rows.round() if ties else rows
        feeds.append(RankPool(rows[:5], LARGE).p_values(rows[5:], rng.uniform(size=20)))
    p = np.array(feeds)
    assert kstest(p[:, 0], "uniform").pvalue > 1e-3
    assert kstest(p[:, -1], "uniform").pvalue > 1e-3
    correlations = np.corrcoef(p.T)[np.triu_indices(20, 1)]
    assert abs(correlations).max() < 5 / np.sqrt(2000)
    # The p-values against the reference alone share it, so they are correlated.
    fixed = []
    for _ in range(2000):
        rows = rng.normal(size=25)
        fixed.append([(rows[:5] < z).sum() + rng.uniform() for z in rows[5:]])
    assert np.corrcoef(np.array(fixed).T)[np.triu_indices(20, 1)].mean() > 0.1
    assert abs(correlations.mean()) < 0.01


def test_missing_values_are_the_lowest():
    pool = RankPool(np.array([np.nan, -1e300, 0.0]), LARGE)
    np.testing.assert_allclose(
        pool.p_values(np.array([np.nan]), np.array([0.5])), [0.25]
    )  # (0 + 0.5 * 2) / 4
    np.testing.assert_allclose(pool.p_values(np.array([-1e301]), np.array([1.0])), [0.6])  # (2 + 1) / 5


def test_random_numbers_are_inside_the_interval_and_do_not_depend_on_the_calls():
    one = uniforms(np.random.default_rng(0), 100, 3)
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(one, np.concatenate([uniforms(generator, n, 3) for n in (1, 60, 39)]))

    class Extreme:
        def random(self, shape):
            return np.array([[0.0, 1 - 2.0**-53]])

    lowest, highest = uniforms(Extreme(), 1, 2)[0]
    assert 0 < lowest < highest < 1


def test_a_restored_pool_continues_with_the_same_p_values():
    rng = np.random.default_rng(3)
    pool = RankPool(rng.normal(size=100), 700)
    pool.p_values(rng.normal(size=650), rng.uniform(size=650))
    restored = RankPool.restore(pool.values(), 700, pool.feed_rows)
    feed, draws = rng.normal(size=300), rng.uniform(size=300)
    np.testing.assert_array_equal(restored.p_values(feed, draws), pool.p_values(feed, draws))


def test_a_stratified_pool_is_one_pool_for_each_stratum():
    rng = np.random.default_rng(5)
    reference, of_reference = rng.normal(size=60), rng.integers(3, size=60)
    feed, strata, draws = rng.normal(size=500), rng.integers(4, size=500), rng.uniform(size=500)
    pool = StratifiedPool(reference, of_reference, 4, 200)
    p = pool.p_values(feed, draws, strata)
    for stratum in range(4):
        rows = strata == stratum
        alone = RankPool(reference[of_reference == stratum], 50)
        np.testing.assert_array_equal(p[rows], alone.p_values(feed[rows], draws[rows]))
    again = StratifiedPool(reference, of_reference, 4, 200)
    again.p_values(feed[:333], draws[:333], strata[:333])
    restored = StratifiedPool(np.empty(0), np.empty(0, int), 4, 200)
    restored.restore(again.values(), again.sizes(), again.feed_rows())
    np.testing.assert_array_equal(restored.p_values(feed[333:], draws[333:], strata[333:]), p[333:])


def test_p_values_within_strata_are_uniform_although_strata_differ():
    rng = np.random.default_rng(6)
    p = []
    for _ in range(400):
        strata = np.concatenate(
            [rng.integers(3, size=12), np.repeat([0, 1, 2], 4)]
        )  # the feed visits them in order
        values = rng.normal(strata * 10.0, 1 + strata)
        pool = StratifiedPool(values[:12], strata[:12], 3, LARGE)
        p.append(pool.p_values(values[12:], rng.uniform(size=12), strata[12:]))
    p = np.array(p)
    assert kstest(p.ravel(), "uniform").pvalue > 0.001
    correlations = np.corrcoef(p.T)[np.triu_indices(12, 1)]
    assert np.abs(correlations).max() < 4.5 / np.sqrt(400)
