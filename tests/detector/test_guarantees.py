"""Guarantees of the detector for any table: error rates, finite scores, low scores of distant rows."""

import warnings

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ebmood import EbmoodError, EnergyDetector
from ebmood.core.calibration import false_alarm_rate

SPLITS = 25


def test_coverage_over_random_splits_of_a_real_table(benign, quick):
    """False alarms among new rows. `benchmarks/calibration.py` uses 200 splits of two tables."""
    rng = np.random.default_rng(2)
    alpha, p = 0.1, []
    for seed in range(SPLITS):
        order = rng.permutation(len(benign))
        detector = EnergyDetector(energy=quick, alpha=alpha, calibration=59, random_state=seed)
        with warnings.catch_warnings(action="ignore"):
            detector.fit(benign[order[:200]])
        p.append(detector.p_values(benign[order[200:]]))
        np.testing.assert_array_equal(detector.predict(benign[order[200:]]) == -1, p[-1] <= alpha)
    for level in (0.02, 0.05, 0.1, 0.2, 0.5, 0.8):
        rates = (np.array(p) <= level).mean(axis=1)
        error = rates.std(ddof=1) / np.sqrt(SPLITS)
        assert abs(rates.mean() - false_alarm_rate(level, 59)) < 3 * error
        assert rates.mean() < level + 3 * error  # super-uniform


def test_coverage_on_a_discrete_table_with_many_ties(quick):
    """Ties make p-values larger, so there are never more false alarms than alpha."""
    rng = np.random.default_rng(0)
    rates = []
    for seed in range(SPLITS):
        x = (rng.random((400, 4)) < [0.1, 0.2, 0.05, 0.5]).astype(float)
        detector = EnergyDetector(energy=quick, alpha=0.1, calibration=60, random_state=seed)
        with warnings.catch_warnings(action="ignore"):
            detector.fit(x[:200])
        rates.append((detector.predict(x[200:]) == -1).mean())
    assert np.mean(rates) <= 0.1 + 3 * np.std(rates) / np.sqrt(SPLITS)


CELLS = st.one_of(
    st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-300, 5e-324, 1e99, -1e99, 1e300, -1.7e308]),
    st.floats(-10, 10),
    st.floats(allow_nan=True, allow_infinity=True),
    st.integers(-3, 3).map(float),
)


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 4))
    fill = draw(st.sampled_from(["every cell", "few values"]))
    cells = CELLS if fill == "every cell" else st.sampled_from(draw(st.lists(CELLS, min_size=1, max_size=3)))
    rows = st.integers(1, 25)
    return [draw(arrays(np.float64, st.tuples(rows, st.just(columns)), elements=cells)) for _ in range(2)]


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True)
@given(tables(), st.sampled_from([0.2, 3]))
def test_any_table_gives_finite_scores_or_an_ebmood_error(pair, calibration):
    """A row a thousand ranges away also scores below the median training row."""
    train, test = pair
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(random_state=0, calibration=calibration)
        try:
            detector.fit(train)
        except EbmoodError as error:
            message = str(error)
            invalid = np.isinf(train) | (np.abs(train) > 1e100)
            assert invalid.any() or np.isnan(train).all(axis=0).any() or len(train) < 5, message
            return
        with np.errstate(all="ignore"):
            width = np.nan_to_num(np.fmax.reduce(train) - np.fmin.reduce(train))
            distant = train[:1] + 1001 * np.where(
                width > 0, width, np.nan_to_num(np.fmax(np.abs(train[0]), 1.0))
            )
        scores = detector.score_samples(train)
        assert np.isfinite(scores).all()
        assert np.isfinite(detector.feature_contributions(train[:2])).all()
        assert detector.score_samples(distant).max() <= np.median(scores)
        finite = test[~np.isinf(test).any(axis=1)]
        if len(finite):
            assert np.isfinite(detector.score_samples(finite)).all()
