"""Synthetic feeds with shifts, and the detectors of shifts to which `benchmarks/monitoring.py` compares the monitor."""

import math
from collections.abc import Callable

import numpy as np
from scipy.stats import ks_2samp

COLUMNS, FACTORS = 6, 3
LENGTH, BATCH, CHANGE = 10_000, 1_000, 5_000
"""Rows of a feed, rows of a batch, and rows before the change."""
LOADINGS = np.random.default_rng(7).normal(size=(FACTORS, COLUMNS)) / math.sqrt(FACTORS)
SPREAD = np.sqrt((LOADINGS**2).sum(0) + 0.25)
CORRELATION = (LOADINGS.T @ LOADINGS + 0.25 * np.eye(COLUMNS)) / np.outer(SPREAD, SPREAD)
PAIR = np.unravel_index(np.abs(np.triu(CORRELATION, 1)).argmax(), CORRELATION.shape)


def correlated(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Return rows of correlated columns: three factors and noise."""
    return rng.normal(size=(rows, FACTORS)) @ LOADINGS + 0.5 * rng.normal(size=(rows, COLUMNS))


def shifted_mean(x: np.ndarray, by: float) -> np.ndarray:
    x = x.copy()
    x[:, 0] += by * SPREAD[0]
    return x


def scaled(x: np.ndarray, by: float) -> np.ndarray:
    x = x.copy()
    x[:, 1] *= by
    return x


def dead(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[:, 2] = 0.0  # the median
    return x


def rotated(x: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate the two most correlated columns against each other, in units of their standard deviations."""
    angle, x, pair = math.radians(degrees), x.copy(), list(PAIR)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    x[:, pair] = x[:, pair] / SPREAD[pair] @ turn * SPREAD[pair]
    return x


SHIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda x: x,
    "mean + 0.25 sd": lambda x: shifted_mean(x, 0.25),
    "mean + 0.5 sd": lambda x: shifted_mean(x, 0.5),
    "mean + 1 sd": lambda x: shifted_mean(x, 1.0),
    "sd x 1.25": lambda x: scaled(x, 1.25),
    "sd x 1.5": lambda x: scaled(x, 1.5),
    "sd x 0.67": lambda x: scaled(x, 0.67),
    "dead sensor": dead,
    "rotation by 30 degrees": lambda x: rotated(x, 30),
    "rotation by 90 degrees": lambda x: rotated(x, 90),
}


def first_kolmogorov_smirnov(reference: np.ndarray, values: np.ndarray, level: float) -> float:
    """Return the last row of the first batch with a feature below the level / (features x batches)."""
    batches = len(values) // BATCH
    for number in range(batches):
        batch = values[number * BATCH : (number + 1) * BATCH]
        pairs = zip(batch.T, reference.T, strict=True)
        if min(ks_2samp(*pair, method="asymp").pvalue for pair in pairs) <= level / (
            values.shape[1] * batches
        ):
            return (number + 1) * BATCH - 1
    return math.inf


def page_hinkley_course(stream: np.ndarray) -> np.ndarray:
    """Return the statistic of river's Page-Hinkley test in both directions, after every row."""
    from river.drift import PageHinkley

    test, course = PageHinkley(threshold=math.inf, mode="both"), np.zeros(len(stream))
    for i, value in enumerate(stream):
        test.update(value)
        if i >= test.min_instances:
            course[i] = max(test._sum_increase - test._min_increase, test._max_decrease - test._sum_decrease)
    return course


def first_adwin(streams: np.ndarray, delta: float) -> float:
    """Return the first row at which ADWIN with delta / streams sees a change in any stream."""
    from river.drift import ADWIN

    first = math.inf
    for stream in streams.T:
        test = ADWIN(delta=delta / streams.shape[1])
        for i, value in enumerate(stream[: int(min(first, len(stream)))]):
            test.update(value)
            if test.drift_detected:
                first = min(first, i)
                break
    return first
