import numpy as np
import pytest

from ebmood.monitoring.bets import log_bets
from ebmood.monitoring.martingale import log_shares
from ebmood.monitoring.restart import RestartingAlarm


def test_the_statistic_is_the_sum_over_changes():
    p = np.random.default_rng(0).uniform(size=(20, 2))
    rule = RestartingAlarm(1e9, log_shares(1))
    assert not rule.update(log_bets(p)).any()
    factors = np.exp(log_bets(p))
    expected = sum(factors[t:].prod(axis=0).mean(axis=-1) for t in range(20))
    np.testing.assert_allclose(np.exp(rule.log_statistics).sum(axis=1), expected, rtol=1e-9)


def test_there_is_at_most_one_false_alarm_in_a_run_length_on_average():
    p = np.random.default_rng(0).uniform(size=(4000, 300))  # 300 feeds as streams with share one
    alarms = RestartingAlarm(200, np.zeros(300)).update(log_bets(p))
    rates = alarms.sum(axis=0) / (4000 / 200)
    assert rates.mean() <= 1 + 3 * rates.std(ddof=1) / np.sqrt(300)
    assert rates.mean() > 0.3
    first = np.where(alarms.any(axis=0), alarms.argmax(axis=0) + 1, 4000)
    assert first.mean() >= 200


def test_only_the_stream_with_the_alarm_starts_again():
    p = np.full((200, 2), 0.5)
    p[:, 0] = 1e-6
    rule = RestartingAlarm(1000, log_shares(1))
    alarms = rule.update(log_bets(p))
    assert alarms[:, 0].sum() > 1
    alone = RestartingAlarm(1000, log_shares(1)[1:])
    alone.update(log_bets(p[:, 1:]))
    np.testing.assert_array_equal(rule.log_statistics[1], alone.log_statistics[0])


@pytest.mark.parametrize("parts", [[10], [1, 2, 150]])
def test_alarms_do_not_depend_on_how_the_feed_is_cut(parts):
    factors = log_bets(np.random.default_rng(0).uniform(size=(200, 3)) ** 2)
    whole = RestartingAlarm(500, log_shares(2)).update(factors)
    rule = RestartingAlarm(500, log_shares(2))
    assert whole.any()
    np.testing.assert_array_equal(
        np.concatenate([rule.update(part) for part in np.split(factors, parts)]), whole
    )
