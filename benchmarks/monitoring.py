"""Measure `ebmood.Monitor`: false alarms, delays to detection, the restart rule, and rows that depend on each other.

    python benchmarks/monitoring.py false-alarms [--feeds 1000]
    python benchmarks/monitoring.py delays [--feeds 20]
    python benchmarks/monitoring.py run-length
    python benchmarks/monitoring.py time-dependence [--feeds 30]

Each part prints a Markdown table; docs/results/monitoring.md has those of the last run. `false-alarms` and `run-length`
end with exit code 1 if a rate is above its bound by more than three standard errors. Every part is one process with one
thread.
"""

import argparse
import copy
import math
import sys
import warnings
from typing import Literal

import numpy as np
from monitoring_rivals import (
    CHANGE,
    COLUMNS,
    LENGTH,
    SHIFTS,
    SPREAD,
    correlated,
    first_adwin,
    first_kolmogorov_smirnov,
    page_hinkley_course,
)

from ebmood import EnergyDetector
from ebmood.monitoring import Monitor
from ebmood.monitoring.bets import log_bets
from ebmood.monitoring.martingale import ChangeMartingale
from ebmood.monitoring.ranks import p_values_of, uniforms
from ebmood.monitoring.reference import rounded
from ebmood.monitoring.restart import RestartingAlarm

DELTAS = (0.01, 0.05, 0.1)


def fit(
    x: np.ndarray, speed: Literal["default", "fast"] = "default", calibration: float = 0.2
) -> EnergyDetector:
    with warnings.catch_warnings(action="ignore"):
        return EnergyDetector(random_state=0, speed=speed, calibration=calibration).fit(x)


def calibrated(detector: EnergyDetector, scores: np.ndarray) -> EnergyDetector:
    """Return the detector with other calibration scores."""
    detector = copy.copy(detector)
    detector.calibration_scores_ = np.sort(scores)
    return detector


def peak_of_fixed(detector: EnergyDetector, scores: np.ndarray, rng: np.random.Generator) -> float:
    """Return the largest log wealth against smoothed p-values among the calibration scores only."""
    calibration = detector.calibration_scores_
    below = np.searchsorted(calibration, scores, side="left")
    p = (below + rng.uniform(size=len(scores))) / (len(calibration) + 1)
    return float(ChangeMartingale(1).update(log_bets(p)[:, None])[0].max())


def false_alarms(feeds: int) -> int:
    """Training, calibration and feed are drawn anew each time."""
    peaks: dict[str, list[float]] = {"score and features": [], "score only": [], "fixed calibration": []}
    for seed in range(feeds):
        rng = np.random.default_rng(seed)
        detector = fit(correlated(rng, 500), speed="fast")
        feed = correlated(rng, LENGTH)
        scores = detector.score_samples(feed)
        log_wealth, log_shares = courses(Monitor(detector, random_state=seed), scores, feed)
        peaks["score and features"].append(float((log_wealth + log_shares).max()))
        peaks["score only"].append(float(log_wealth[:, 0].max()))
        peaks["fixed calibration"].append(peak_of_fixed(detector, scores, rng))
        if (seed + 1) % 100 == 0:
            print(f"{seed + 1} feeds", file=sys.stderr, flush=True)
    print(
        f"\n| p-values | {' | '.join(f'delta {delta}' for delta in DELTAS)} |\n| :-- |{' --: |' * len(DELTAS)}"
    )
    failed = 0
    for name, values in peaks.items():
        cells = []
        for delta in DELTAS:
            rate = float((np.array(values) >= -math.log(delta)).mean())
            error = math.sqrt(delta * (1 - delta) / feeds)
            is_bound = name != "fixed calibration"
            failed += is_bound and rate > delta + 3 * error
            cells.append(f"{rate:.3f}" + (f" (at most {delta + 3 * error:.3f})" if is_bound else ""))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return int(failed > 0)


def _streams(monitor: Monitor, scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.column_stack([rounded(scores), *(values[:, column] for column in monitor.watched)])


def courses(monitor: Monitor, scores: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the log wealth of every stream after every row, and the logarithms of the shares."""
    streams = _streams(monitor, scores, values)
    draws = uniforms(monitor.generator, *streams.shape)
    p = p_values_of(monitor.pools, streams, draws, np.zeros(len(streams), dtype=np.int64))
    return monitor.martingale.update(log_bets(p))[0], monitor.log_shares


def first_alarm(monitor: Monitor, scores: np.ndarray, values: np.ndarray) -> float:
    """Return the row of the first alarm, or infinity."""
    monitor._bet(_streams(monitor, scores, values), None)
    return math.inf if monitor.alarm is None else monitor.alarm.row


def delays(feeds: int) -> int:
    """Half of a feed is clean. The rivals get thresholds from other clean feeds, so that 1 % of these give an alarm."""
    rng = np.random.default_rng(1)
    detector = fit(correlated(rng, 2_500), calibration=500)
    reference = detector.model_.memory.numpy()
    center, scale = np.median(detector.calibration_scores_), detector.calibration_scores_.std()

    def standardised(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return np.column_stack([(scores - center) / scale, values / SPREAD])

    clean = [correlated(rng, LENGTH) for _ in range(100)]
    clean_streams = [standardised(values, detector.score_samples(values)) for values in clean]
    peaks = [max(page_hinkley_course(stream).max() for stream in streams.T) for streams in clean_streams]
    threshold = float(np.quantile(peaks, 0.99))
    adwin_delta = 0.1
    while np.mean([first_adwin(streams, adwin_delta) < math.inf for streams in clean_streams]) > 0.01:
        adwin_delta /= 3
    print(f"Page-Hinkley: threshold {threshold:.0f}; ADWIN: delta {adwin_delta:.2g}", file=sys.stderr)
    rivals = (
        "monitor",
        "score only",
        "KS, 1,000 rows",
        "Page-Hinkley",
        "ADWIN",
        "Page-Hinkley, default",
        "ADWIN, default",
    )
    found: dict[str, dict[str, list[float]]] = {shift: {r: [] for r in rivals} for shift in SHIFTS}
    for seed in range(feeds):
        own = np.random.default_rng([2, seed])
        rows, calibration = correlated(own, LENGTH), detector.score_samples(correlated(own, 500))
        fresh, clean_scores = calibrated(detector, calibration), detector.score_samples(rows[:CHANGE])
        for shift, change in SHIFTS.items():
            shifted = change(rows[CHANGE:])
            values = np.concatenate([rows[:CHANGE], shifted])
            scores = np.concatenate([clean_scores, detector.score_samples(shifted)])
            streams = standardised(values, scores)
            courses = np.max([page_hinkley_course(stream) for stream in streams.T], axis=0)
            results = (
                first_alarm(Monitor(fresh, random_state=seed), scores, values),
                first_alarm(Monitor(fresh, watch_features=False, random_state=seed), scores, values),
                first_kolmogorov_smirnov(reference, values, 0.01),
                _first(courses > threshold),
                first_adwin(streams, adwin_delta),
                _first(courses > 50),
                first_adwin(streams, 0.002 * streams.shape[1]),
            )
            for rival, result in zip(rivals, results, strict=True):
                found[shift][rival].append(result)
        print(f"feed {seed + 1}", file=sys.stderr, flush=True)
    print(f"\n| shift after {CHANGE:,} rows | {' | '.join(rivals)} |\n| :-- |{' --: |' * len(rivals)}")
    for shift, by_rival in found.items():
        cells = [_describe(np.array(values), shift == "none") for values in by_rival.values()]
        print(f"| {shift} | {' | '.join(cells)} |", flush=True)
    return 0


def _first(alarms: np.ndarray) -> float:
    return float(alarms.argmax()) if alarms.any() else math.inf


def _describe(first: np.ndarray, is_clean: bool) -> str:
    """Return the share of false alarms of clean feeds, else the median delay and what was missed or too early."""
    if is_clean:
        return f"false alarms {np.isfinite(first).mean():.0%}"
    late = first[first >= CHANGE] - CHANGE
    if not len(late):
        return "all before the change"
    median = np.quantile(late, 0.5, method="lower")
    missed = np.isinf(late).mean()
    text = "missed" if math.isinf(median) else f"{median:,.0f}"
    early = (first < CHANGE).mean()
    return (
        text
        + (f", {missed:.0%} missed" if missed > 0 and not math.isinf(median) else "")
        + (f", {early:.0%} too early" if early else "")
    )


def run_length() -> int:
    """The restart rule on independent uniform p-values."""
    print(
        "\n| run length A | rows | alarms per A rows | mean rows to the first alarm |\n| --: | --: | --: | --: |"
    )
    failed = 0
    for target, rows, feeds in ((1_000, 20_000, 200), (10_000, 50_000, 200)):
        rule = RestartingAlarm(target, np.zeros(feeds))  # each stream has the share one: many feeds at once
        rng = np.random.default_rng(target)
        alarms = np.concatenate(
            [rule.update(log_bets(rng.uniform(size=(500, feeds)))) for _ in range(rows // 500)]
        )
        per_feed = alarms.sum(0) * target / rows
        error = per_feed.std(ddof=1) / math.sqrt(feeds)
        first = np.where(alarms.any(0), alarms.argmax(0) + 1, rows)
        failed += per_feed.mean() > 1 + 3 * error
        least = "" if alarms.any(0).all() else ", at least"
        print(
            f"| {target:,} | {feeds} x {rows:,} | {per_feed.mean():.2f} ± {error:.2f} | {first.mean():,.0f}{least} |",
            flush=True,
        )
    return int(failed > 0)


def autoregressive(rng: np.random.Generator, rows: int, phi: float) -> np.ndarray:
    """Return rows of independent columns, each a stationary AR(1) process with variance one."""
    from scipy.signal import lfilter

    start = rng.normal(size=(1, COLUMNS))
    noise = rng.normal(size=(rows, COLUMNS)) * math.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise, axis=0, zi=phi * start)[0]


def block_means(x: np.ndarray, size: int) -> np.ndarray:
    return x[: len(x) // size * size].reshape(-1, size, x.shape[1]).mean(1)


def time_dependence(feeds: int) -> int:
    """False alarms at delta 0.01 without a change, where the columns are AR(1) processes."""
    print(
        "\n| phi | every row | score only | k | every k-th row | means of k rows | KS, 1,000 rows |"
        "\n| --: | --: | --: | --: | --: | --: | --: |"
    )
    for phi in (0.0, 0.5, 0.9, 0.99):
        size = 1 if phi == 0 else math.ceil(math.log(0.05) / math.log(phi))
        alarms: dict[str, list[bool]] = {"all": [], "score": [], "thin": [], "block": [], "ks": []}
        for seed in range(feeds):
            rng = np.random.default_rng([3, seed])
            series = autoregressive(rng, 500 * size + LENGTH, phi)
            past, feed = series[: 500 * size], series[500 * size :]
            detector = fit(past[::size], speed="fast")
            for name, rows in (("all", feed), ("score", feed), ("thin", feed[::size])):
                monitor = Monitor(detector, watch_features=name != "score")
                alarms[name].append(first_alarm(monitor, detector.score_samples(rows), rows) < math.inf)
            of_means, means = fit(block_means(past, size), speed="fast"), block_means(feed, size)
            alarms["block"].append(
                first_alarm(Monitor(of_means), of_means.score_samples(means), means) < math.inf
            )
            reference = detector.model_.memory.numpy()
            alarms["ks"].append(first_kolmogorov_smirnov(reference, feed, 0.01) < math.inf)
        rates = {name: f"{np.mean(values):.0%}" for name, values in alarms.items()}
        print(
            f"| {phi} | {rates['all']} | {rates['score']} | {size} | {rates['thin']} | {rates['block']} "
            f"| {rates['ks']} |",
            flush=True,
        )
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=["false-alarms", "delays", "run-length", "time-dependence"])
    parser.add_argument("--feeds", type=int, help="number of feeds")
    arguments = parser.parse_args()
    if arguments.part == "run-length":
        return run_length()
    part, feeds = {
        "false-alarms": (false_alarms, 1_000),
        "delays": (delays, 20),
        "time-dependence": (time_dependence, 30),
    }[arguments.part]
    return part(arguments.feeds or feeds)


if __name__ == "__main__":
    sys.exit(main())
