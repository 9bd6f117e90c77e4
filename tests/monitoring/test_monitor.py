import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.quick_energy import QUICK
from hypothesis import given, settings
from hypothesis import strategies as st

import ebmood
from ebmood.core.errors import InputError
from ebmood.detector import EnergyDetector
from ebmood.monitoring import Monitor
from ebmood.monitoring.ranks import RankPool


def test_the_package_exports_the_monitor():
    assert ebmood.Monitor is Monitor


def test_a_feed_without_a_change_gives_no_alarm_and_states_its_evidence(detector, rows):
    monitor = Monitor(detector, 0.01)
    for seed in range(5):
        state = monitor.update(rows(seed + 10, 400), label=f"part {seed}")
    assert state.alarm is None
    assert state.rows == 2000
    assert state.log_evidence < np.log(100)
    assert [batch.label for batch in monitor.batches] == [f"part {i}" for i in range(5)]
    assert state.batch == monitor.batches[-1]
    flagged = sum(batch.flagged for batch in monitor.batches)
    assert flagged == sum((detector.predict(rows(seed + 10, 400)) == -1).sum() for seed in range(5))


def mean(x):
    x[:, 0] += 1.0 * x[:, 0].std()


def variance(x):
    x[:, 1] *= 1.5


def dead(x):
    x[:, 2] = 0.0  # its median: scores may be higher than before


def missing(x):
    x[::5, 3] = np.nan


@pytest.mark.parametrize(
    ("shift", "feature"), [(mean, "x0"), (variance, "x1"), (dead, "x2"), (missing, "x3")]
)
def test_a_shift_is_found_dated_and_named(detector, rows, shift, feature):
    monitor = Monitor(detector, 0.01)
    monitor.update(rows(20, 3000), "clean")
    shifted = rows(21, 500)
    shift(shifted)
    state = monitor.update(shifted, "shifted")
    assert state.alarm is not None
    assert 3000 <= state.alarm.row < 3400
    assert abs(state.alarm.change - 3000) < 150
    assert state.alarm.label == "shifted"
    assert state.batch is not None
    assert feature in state.batch.drifted


def test_a_feed_of_scores_that_are_higher_than_before_is_found(detector, rows):
    monitor = Monitor(detector, watch_features=False)
    monitor.update(rows(22, 1000))
    state = monitor.update(np.zeros((100, 4)))
    assert state.alarm is not None
    assert state.alarm.stream == "score"
    assert state.streams == ("score",)
    assert (detector.score_samples(np.zeros((1, 4))) > np.median(detector.calibration_scores_)).all()


def test_a_rotation_of_correlated_columns_is_found_by_the_score_though_no_column_changes(detector, rows):
    feed = rows(23, 2000)
    feed[1000:] = feed[1000:] * [1, -1, 1, 1]  # symmetric columns keep their distributions
    state = Monitor(detector).update(feed)
    assert state.alarm is not None
    assert state.alarm.stream == "score"
    assert state.alarm.row >= 1000


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=8))
def test_evidence_and_alarms_do_not_depend_on_how_the_feed_is_cut(detector, rows, sizes):
    feed = rows(30, sum(sizes))
    feed[len(feed) // 2 :] *= 1.3
    whole, cut = Monitor(detector, run_length=500.0), Monitor(detector, run_length=500.0)
    expected = whole.update(feed)
    for part in np.split(feed, np.cumsum(sizes)[:-1]):
        state = cut.update(part)
    assert state.log_evidence == expected.log_evidence
    assert state.alarm == expected.alarm
    assert state.restarted == expected.restarted
    np.testing.assert_array_equal(cut.martingale.log_wealth, whole.martingale.log_wealth)


def test_equal_rows_tie_whatever_the_size_of_the_batch(detector, rows):
    # The last bits of a score may depend on the batch. Without ties, duplicates would be ranked by these bits.
    feed = np.tile(rows(31, 1), (100, 1))
    one, many = Monitor(detector), Monitor(detector)
    one.update(feed)
    for row in feed:
        many.update(row[None])
    np.testing.assert_array_equal(one.pools[0].values(), many.pools[0].values())
    assert one.state.log_evidence == many.state.log_evidence


def test_few_feeds_ever_give_a_false_alarm_jointly_over_training_calibration_and_feed(rows):
    alarms = []
    for seed in range(60):
        with warnings.catch_warnings(action="ignore"):
            detector = EnergyDetector(energy=QUICK, random_state=seed).fit(rows(1000 + seed, 150))
        state = Monitor(detector, 0.2, random_state=seed).update(rows(5000 + seed, 1000))
        alarms.append(state.alarm is not None)
    assert np.mean(alarms) <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / 60)


def test_a_random_number_that_is_another_seed_breaks_ties_differently(detector, rows):
    feed = np.tile(rows(32, 1), (200, 1))
    states = [Monitor(detector, random_state=seed).update(feed) for seed in (0, 0, 1)]
    assert states[0] == states[1]
    assert states[0].log_evidence != states[2].log_evidence


def test_data_frames_with_categories_and_gaps_are_watched():
    def frame(seed, rows, site=("a", "b")):
        rng = np.random.default_rng(seed)
        flow = np.where(rng.uniform(size=rows) < 0.05, np.nan, rng.normal(size=rows))
        return pd.DataFrame({"flow": flow, "site": rng.choice(site, rows), "level": rng.normal(size=rows)})

    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=QUICK, random_state=0).fit(frame(0, 500))
    monitor = Monitor(detector)
    assert monitor.stream_names == ("score", "flow", "level")
    assert monitor.update(frame(1, 500)).alarm is None
    state = monitor.update(frame(2, 500, site=("a", "b", "c", "c", "c")))
    assert state.batch is not None
    assert state.batch.drifted[0] == "site"
    assert state.alarm is not None
    assert state.alarm.stream == "score"
    before = monitor.state
    with pytest.raises(InputError, match="level"):
        monitor.update(frame(3, 10).drop(columns="level"))
    assert monitor.state == before


def test_no_rows_change_nothing(detector, rows):
    monitor = Monitor(detector)
    assert monitor.update(np.empty((0, 4))).batch is None
    assert monitor.rows == 0


def test_the_pool_is_emptied_after_its_capacity_and_its_memory_is_bounded(detector, rows):
    monitor = Monitor(detector, pool_rows=1000)
    monitor.update(rows(40, 3500))
    assert all(len(pool.values()) == 500 for pool in monitor.pools)
    fresh = RankPool(np.empty(0), 1000)
    draws = np.random.default_rng(0).uniform(size=10)
    assert fresh.p_values(np.arange(10.0), draws)[0] == draws[0]


def test_many_updates_are_joined(monkeypatch, detector, rows):
    monkeypatch.setattr("ebmood.monitoring.monitor.MAX_BATCHES", 64)
    monitor = Monitor(detector)
    x = rows(41, 65)
    scores = detector.score_samples(x)
    for score, row in zip(scores, x, strict=True):
        monitor.update_scored(detector.decide(np.array([score])), row[None])
    assert len(monitor.batches) == 33
    assert sum(batch.rows for batch in monitor.batches) == len(x) == monitor.rows
    assert sum(batch.flagged for batch in monitor.batches) == (scores < detector.offset_).sum()
    assert [b.first_row for b in monitor.batches[:3]] == [0, 2, 4]


def test_detectors_without_reserved_rows_are_refused(rows):
    with warnings.catch_warnings(action="ignore"):
        of_all = EnergyDetector(energy=QUICK, calibration="loo").fit(rows(0, 100))
    with pytest.raises(InputError, match=r"leave-one-out calibration.*with calibration=0.2"):
        Monitor(of_all)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"run_length": 0.0}, "run_length"),
        ({"fdr": 2.0}, "fdr"),
        ({"pool_rows": 10}, "pool_rows"),
    ],
)
def test_invalid_parameters_are_named(detector, arguments, name):
    with pytest.raises(InputError, match=f"^{name}="):
        Monitor(detector, **arguments)


def test_detectors_that_hold_no_sample_compare_features_with_given_rows(rows):
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=QUICK, memory="prototypes", random_state=0).fit(rows(0, 500))
    alone = Monitor(detector)
    assert alone.feature_names == ()
    assert alone.stream_names == ("score",)
    assert alone.update(rows(1, 100)).batch.p_values == ()
    given = Monitor(detector, reference=rows(2, 300))
    assert given.update(rows(1, 100) + np.array([3.0, 0, 0, 0])).batch.drifted[0] == "x0"


def test_inputs_of_an_embedding_are_watched_by_their_score():
    class Lengths(torch.nn.Module):
        def forward(self, texts):
            return torch.tensor([[float(len(text))] for text in texts])

    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(embed=Lengths(), random_state=0).fit(["a" * (i % 17) for i in range(300)])
    monitor = Monitor(detector)
    assert monitor.update(["a" * (i % 17) for i in range(200)]).alarm is None
    assert monitor.update(["a" * 40] * 100).alarm is not None


def test_the_latest_repeated_alarms_are_remembered_and_all_are_counted(monkeypatch, detector, rows):
    whole = Monitor(detector, run_length=50.0)
    whole.update(rows(50, 600) * 1.5)
    monkeypatch.setattr("ebmood.monitoring.monitor.MAX_RESTARTED", 4)
    monitor = Monitor(detector, run_length=50.0)
    for part in np.split(rows(50, 600) * 1.5, 6):
        state = monitor.update(part)
    assert state.restarts == whole.restarts == len(whole.restarted) > 4
    assert state.restarted == whole.restarted[-4:]
    assert [alarm.row for alarm in whole.restarted] == sorted(alarm.row for alarm in whole.restarted)


def test_unwatched_features_must_exist(detector):
    with pytest.raises(
        InputError, match=r"^unwatched: no feature 'typo'; the features are 'x0', 'x1', 'x2', 'x3'$"
    ):
        Monitor(detector, unwatched=["x1", "typo"])
