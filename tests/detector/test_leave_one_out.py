"""Calibration by leave-one-out scores."""

import numpy as np
import pandas as pd
import pytest
from helpers.quick_energy import QUICK

from ebmood import EnergyDetector, InputError, load

LEVELS = (0.05, 0.1, 0.2)


@pytest.mark.parametrize("shape", [(60, 3), (100, 20), (40, 60)])
def test_false_alarms_on_new_rows_are_at_most_alpha(shape):
    """Mean over random tables. `benchmarks/calibration.py` uses 200 splits of real tables."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(shape[1], shape[1]))
    rates = []
    for seed in range(15):
        x = rng.standard_t(4, size=(shape[0] + 300, shape[1])) @ mixing
        detector = EnergyDetector(calibration="loo", random_state=seed).fit(x[: shape[0]])
        p = detector.p_values(x[shape[0] :])
        rates.append([(p <= level).mean() for level in LEVELS])
    means, errors = np.mean(rates, axis=0), np.std(rates, axis=0, ddof=1) / np.sqrt(len(rates))
    assert (means <= np.array(LEVELS) + 3 * errors).all(), means
    assert (means >= 0.4 * np.array(LEVELS)).all(), means


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
@pytest.mark.parametrize("rows", [20, 60])
def test_false_alarms_on_sparse_and_heavy_tailed_columns_are_at_most_alpha(rows):
    """Most columns have zeros and a few large numbers, so that many new rows are outside the training ranges."""
    rng = np.random.default_rng(0)
    rates = []
    for seed in range(15):
        x = rng.standard_t(1.5, size=(rows + 300, 40)) * (rng.random((rows + 300, 40)) < 0.02)
        x[:, :3] = rng.normal(size=(rows + 300, 3))
        detector = EnergyDetector(calibration="loo", random_state=seed, energy=QUICK).fit(x[:rows])
        rates.append((detector.p_values(x[rows:]) <= 0.1).mean())
    assert np.mean(rates) <= 0.1 + 3 * np.std(rates, ddof=1) / np.sqrt(len(rates))
    assert np.mean(rates) >= 0.03


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")
@pytest.mark.parametrize("calibration", ["loo", 0.3])
@pytest.mark.parametrize("kind", ["levels", "rare levels", "gaps"])
def test_false_alarms_on_rows_with_new_levels_and_new_gaps_are_at_most_alpha(kind, calibration):
    rng = np.random.default_rng(0)
    rates = []
    for seed in range(15):
        frame = pd.DataFrame(rng.normal(size=(900, 20 if kind == "gaps" else 4)))
        if kind == "levels":
            frame["c"] = rng.integers(0, 400, len(frame)).astype(str)
        elif kind == "rare levels":  # often, one or none of the levels of a training table occurs once
            frame["c"] = np.floor(rng.exponential(1.2, len(frame))).astype(int).astype(str)
        else:
            frame = frame.mask(rng.random(frame.shape) < 0.003)
        frame.columns = [str(name) for name in frame.columns]
        detector = EnergyDetector(calibration=calibration, random_state=seed, energy=QUICK).fit(frame[:300])
        rates.append((detector.p_values(frame[300:]) <= 0.1).mean())
    assert np.mean(rates) <= 0.1 + 3 * np.std(rates, ddof=1) / np.sqrt(len(rates))


@pytest.mark.parametrize("calibration", ["loo", 0.3])
def test_a_new_level_is_an_alarm_where_every_level_occurs_twice(calibration):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"x{k}": rng.normal(size=300) for k in range(6)})
    frame["tier"] = rng.choice(["basic", "plus", "pro"], len(frame))
    frame["name"] = rng.integers(0, 900, len(frame)).astype(str)
    detector = EnergyDetector(calibration=calibration, random_state=0).fit(frame)
    rows = frame.head(40).copy()
    assert detector.predict(rows.assign(tier="gold")).tolist() == [-1] * 40
    assert (detector.score_samples(rows.assign(tier="gold")) < detector.training_scores_.min()).all()
    assert (detector.predict(rows.assign(name="new")) == 1).mean() > 0.5


def test_all_rows_are_in_memory_and_all_calibrate(benign):
    detector = EnergyDetector(calibration="loo", random_state=0).fit(benign)
    assert detector.n_training_rows_ == len(detector.calibration_scores_) == len(benign)
    assert detector.false_alarm_rate_ <= 0.05


def test_what_is_not_proved_is_refused(benign):
    y = np.arange(len(benign)) % 2
    detector = EnergyDetector(calibration="loo", random_state=0, supervised=True).fit(benign, y)
    for method in (detector.select, detector.class_p_values):
        with pytest.raises(InputError, match="is not proved"):
            method(benign)


@pytest.mark.parametrize("supervised", [False, True])
def test_a_detector_is_saved_and_loaded(benign, tmp_path, supervised):
    y = np.arange(len(benign)) % 2
    detector = EnergyDetector(calibration="loo", contamination="auto", random_state=0, supervised=supervised)
    detector.fit(benign, y).save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert (loaded.calibration, loaded.contamination) == ("loo", "auto")
    np.testing.assert_array_equal(loaded.p_values(benign), detector.p_values(benign))
    assert loaded.strangest_rows_ == detector.strangest_rows_


def test_another_alpha_needs_no_new_fit(benign):
    detector = EnergyDetector(random_state=0).fit(benign[:200])
    other = EnergyDetector(random_state=0, alpha=0.2).fit(benign[:200])
    rows = benign[200:]
    np.testing.assert_array_equal(detector.predict(rows, alpha=0.2), other.predict(rows))
    np.testing.assert_array_equal(detector.score_batch(rows, alpha=0.2).flags, other.score_batch(rows).flags)
    assert (detector.predict(rows) == -1).sum() < (detector.predict(rows, alpha=0.2) == -1).sum()
    with pytest.raises(InputError, match=r"alpha=1\.5"):
        detector.predict(rows, alpha=1.5)
