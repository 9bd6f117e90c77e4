import numpy as np
from scipy.stats import kstest

from ebmood.monitoring.feature_drift import drifted_features, feature_p_values


def test_each_kind_of_drift_is_named_and_nothing_else():
    rng = np.random.default_rng(0)

    def rows(n):
        x = rng.normal(size=(n, 6))
        x[:, 4] = rng.integers(0, 3, n)
        x[rng.uniform(size=n) < 0.1, 5] = np.nan
        return x

    reference, batch = rows(1000), rows(500)
    batch[:, 1] *= 2
    batch[:, 2] = 0.0
    batch[:, 4] = rng.choice(3, 500, p=[0.6, 0.2, 0.2])
    batch[rng.uniform(size=500) < 0.2, 5] = np.nan
    p = feature_p_values(batch, reference, categories=[4])
    assert set(drifted_features(p, 0.05)) == {1, 2, 4, 5}
    assert drifted_features(p, 0.05)[0] == p.argmin()
    assert drifted_features(feature_p_values(rows(500), reference, [4]), 0.05) == ()


def test_p_values_without_drift_are_close_to_uniform():
    rng = np.random.default_rng(0)
    numbers, levels, gaps = [], [], []
    for _ in range(400):
        x = rng.normal(size=(700, 3))
        x[:, 1] = rng.choice(5, 700, p=[0.5, 0.3, 0.15, 0.04, 0.01])
        x[rng.uniform(size=700) < 0.05, 2] = np.nan
        a, b, c = feature_p_values(x[:200], x[200:], [1])
        numbers.append(a), levels.append(b), gaps.append(c)
    for level in (0.05, 0.2):
        assert np.mean(np.array(numbers) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 400)
    assert kstest(levels, "uniform").pvalue > 1e-3
    assert np.mean(np.array(gaps) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_columns_without_values_and_constant_columns_have_no_drift():
    x = np.column_stack([np.full(50, np.nan), np.ones(50), np.zeros(50)])
    assert feature_p_values(x, x, [2]).tolist() == [1.0, 1.0, 1.0]


def test_a_column_that_is_all_missing_now_differs():
    full, empty = np.zeros((200, 1)), np.full((200, 1), np.nan)
    assert feature_p_values(empty, full)[0] < 1e-9


def test_a_level_that_was_never_seen_differs():
    assert feature_p_values(np.full((100, 1), 7.0), np.repeat([[0.0], [1.0]], 100, axis=0), [0])[0] < 1e-9
