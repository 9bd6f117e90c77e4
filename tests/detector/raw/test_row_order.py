import numpy as np
import pandas as pd
import pyarrow
import pytest
from helpers.run_cli import run

from ebmood import EnergyDetector
from ebmood.detector.raw.row_order import MIN_ROWS, check_order


def series(rows: int, memory: float, seed: int) -> np.ndarray:
    """Return three autoregressive columns and one of noise: `(rows, 4)`."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(rows, 4))
    x = noise.copy()
    for t in range(1, rows):
        x[t, :3] = memory * x[t - 1, :3] + np.sqrt(1 - memory**2) * noise[t, :3]
    return x


def table(x: np.ndarray) -> pyarrow.Table:
    return pyarrow.table({f"x{k}": x[:, k] for k in range(x.shape[1])})


def test_rows_in_random_order_do_not_matter():
    checks = [check_order(table(series(400, 0.0, seed)), seed) for seed in range(20)]
    assert not any(check.matters for check in checks)
    flagged = [check.flagged for check in checks]
    assert np.mean(flagged) <= 0.05 + 3 * np.std(flagged, ddof=1) / 20**0.5
    assert np.median([check.probability for check in checks]) > 0.05


@pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")  # a series of 20 independent rows
def test_the_check_predicts_the_false_alarms_of_a_series():
    """The detector itself is calibrated on random rows. Later rows are flagged as often as the last training rows."""
    flagged, later, after_last = [], [], []
    for seed in range(12):
        x = series(1_500, 0.98, seed)
        known, new = x[:1_000], x[1_000:]
        flagged.append(check_order(table(known), seed).flagged)
        later.append((EnergyDetector(random_state=seed).fit(known).predict(new) == -1).mean())
        last = EnergyDetector(calibration="last", random_state=seed).fit(known)
        after_last.append((last.predict(new) == -1).mean())
    assert np.mean(later) > 0.15
    assert np.mean(flagged) == pytest.approx(np.mean(later), abs=0.12)
    assert np.mean(after_last) < 0.6 * np.mean(later)


def test_a_sorted_table_matters():
    x = np.sort(np.random.default_rng(0).normal(size=(20_000, 3)), axis=0)
    check = check_order(table(x), 0)
    assert check.matters
    assert check.rows == 2_000
    assert check.flagged > 0.9


def test_few_rows_and_rows_that_cannot_be_fitted_alone_are_not_checked():
    x = series(MIN_ROWS, 0.0, 0)
    assert check_order(table(x), 0) is not None
    assert check_order(table(x[1:]), 0) is None
    later = table(x).append_column("c", pyarrow.array([None] * 90 + [1.0] * 10))
    assert check_order(later, 0) is None


@pytest.mark.parametrize(("memory", "notes"), [(0.0, 0), (0.995, 1)])
def test_fit_says_that_the_order_matters_and_the_advice_works(memory, notes, tmp_path, monkeypatch):
    frame = pd.DataFrame(series(600, memory, 1), columns=list("abcd"))
    frame.to_csv(tmp_path / "fit.csv", index=False)
    fit = ("fit", tmp_path / "fit.csv", "-o", tmp_path / "model")
    code, _, err = run(monkeypatch, *fit)
    assert code == 0
    assert err.count("the order of the rows matters") == notes
    code, _, err = run(monkeypatch, *fit, "--calibration", "last")
    assert code == 0
    assert "the order of the rows matters" not in err
    assert "calibrated on 120 more" in err
