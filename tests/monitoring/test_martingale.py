import itertools

import numpy as np
import pytest

from ebmood.monitoring.bets import BETS, log_bets
from ebmood.monitoring.martingale import (
    SCALE,
    ChangeMartingale,
    log_later,
    log_shares,
    log_sum,
    log_weight,
)


def test_the_weights_of_all_changes_sum_to_one():
    rows = np.arange(1, 100_001)
    assert np.exp(log_weight(rows)).sum() + np.exp(log_later(rows[-1])) == pytest.approx(1, abs=1e-12)
    assert log_later(np.array(0)) == 0
    assert np.exp(log_later(np.array(SCALE))) == pytest.approx(1 / (1 + np.log(2)))


def test_the_wealth_is_the_sum_over_changes_and_bets():
    p = np.random.default_rng(0).uniform(size=(40, 2))
    factors = np.exp(log_bets(p))
    log_wealth, _ = ChangeMartingale(2).update(log_bets(p))
    for n, s in itertools.product((1, 7, 40), (0, 1)):
        weights = np.exp(log_weight(np.arange(1, n + 1)))
        products = np.array([factors[t:n, s].prod(axis=0).mean() for t in range(n)])
        expected = (weights * products).sum() + np.exp(log_later(np.array(n)))
        assert np.exp(log_wealth[n - 1, s]) == pytest.approx(expected, rel=1e-9)


def test_the_power_bet_has_its_closed_form():
    # Beta(1/2, 1) multiplies the stake by p^(-1/2) / 2: the power martingale of Vovk et al. with epsilon = 1/2.
    k = int(np.flatnonzero((BETS == (0.5, 1.0)).all(1))[0])
    p = np.random.default_rng(0).uniform(size=30)
    assert log_bets(p)[:, k].sum() == pytest.approx((-0.5 * np.log(p)).sum() + 30 * np.log(0.5))


def test_one_more_row_leaves_the_expected_wealth_unchanged():
    martingale = ChangeMartingale(1)
    before = martingale.update(log_bets(np.random.default_rng(0).uniform(size=(50, 1))))[0][-1, 0]
    p = (np.arange(200_000) + 0.5) / 200_000  # the midpoint rule over the next p-value
    stakes = np.logaddexp(martingale.log_wealth[0], log_weight(np.array(51)) - np.log(len(BETS)))
    after = np.logaddexp(log_sum(stakes + log_bets(p)), log_later(np.array(51)))
    assert np.exp(after).mean() == pytest.approx(np.exp(before), rel=2e-3)


def test_the_wealth_does_not_depend_on_how_the_feed_is_cut():
    factors = log_bets(np.random.default_rng(0).uniform(size=(100, 3)))
    whole, cut = ChangeMartingale(3), ChangeMartingale(3)
    expected, changes = whole.update(factors)
    parts = [cut.update(part) for part in np.split(factors, [1, 2, 50, 99])]
    np.testing.assert_array_equal(np.concatenate([wealth for wealth, _ in parts]), expected)
    np.testing.assert_array_equal(np.concatenate([change for _, change in parts]), changes)


def test_the_probability_of_a_large_wealth_is_at_most_its_inverse():
    # Ville's inequality, on 2,000 feeds of 300 rows as independent streams.
    p = np.random.default_rng(0).uniform(size=(300, 2000))
    highest = ChangeMartingale(2000).update(log_bets(p))[0].max(axis=0)
    for delta in (0.5, 0.2, 0.05):
        assert (highest >= -np.log(delta)).mean() <= delta + 3 * np.sqrt(delta * (1 - delta) / 2000)
    assert np.exp(highest).max() > 5  # the bound is not met because nothing happens


@pytest.mark.parametrize(
    "shift",
    [
        lambda u: u**2,
        lambda u: 1 - u**2,
        lambda u: 0.25 + u / 2,
        lambda u: np.where(u < 0.5, u / 3, 1 - u / 3),
    ],
    ids=["lower", "higher", "less extreme", "more extreme"],
)
def test_a_change_to_any_side_is_found_and_dated(shift):
    u = np.random.default_rng(0).uniform(size=(3000, 1))
    p = np.concatenate([u[:2000], shift(u[2000:])])
    log_wealth, changes = ChangeMartingale(1).update(log_bets(p))
    alarm = int((log_wealth[:, 0] >= np.log(100)).argmax())
    assert 2000 < alarm < 2250
    assert abs(changes[alarm, 0] - 2000) < 60


def test_shares_sum_to_one():
    for features in (0, 1, 7):
        assert np.exp(log_shares(features)).sum() == pytest.approx(1)


def test_the_sum_of_zeros_is_zero():
    assert log_sum(np.full((2, 3), -np.inf)).tolist() == [-np.inf, -np.inf]
