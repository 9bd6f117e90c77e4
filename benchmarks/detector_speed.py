"""Compare the time of fitting and scoring of `EnergyDetector` with that of other detectors.

    python benchmarks/detector_speed.py [--rows 100000] [--columns 48] [--rounds 5] [--only NAME ...]
    pytest benchmarks/test_detector_speed.py --benchmark-json detector.json

All detectors are fitted once and then score the same rows, on one thread, in rounds in which each has its turn, so that
other work on the machine affects all of them. Times are CPU seconds; for scoring, those of the fastest round. Slow
detectors are fitted on a fraction of the rows, or score a fraction of them, which is printed. The time of scoring is
divided by this fraction, the time of fitting is not. A ratio above 1 means that `EnergyDetector` is faster.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OURS = "EnergyDetector"
FAST = "EnergyDetector, fast"
TARGETS = {"isolation forest (100 trees)": 2.0, "kNN, brute force (5)": 100.0}
"""Ratios of scoring that are the goal."""


@dataclass
class TimedDetector:
    """A detector, the fractions of the rows that it is fitted on and scores, and its CPU seconds."""

    make: Callable[[], Any]
    fit_fraction: float = 1.0
    score_fraction: float = 1.0
    fit_seconds: float = 0.0
    score_seconds: list[float] = field(default_factory=list)

    def fit(self, x: np.ndarray) -> None:
        start = time.process_time()
        self.detector = self.make().fit(x[: round(self.fit_fraction * len(x))])
        self.fit_seconds = time.process_time() - start

    def score(self, x: np.ndarray) -> None:
        names = ("score_samples", "decision_function", "kneighbors")
        score = next(getattr(self.detector, name) for name in names if hasattr(self.detector, name))
        rows = x[: max(1, round(self.score_fraction * len(x)))]
        start = time.process_time()
        score(rows)
        self.score_seconds.append((time.process_time() - start) * len(x) / len(rows))

    def fractions(self) -> str:
        """Return a description of the fractions that are not one."""
        parts = [f"fitted on {self.fit_fraction:.0%}"] if self.fit_fraction < 1 else []
        parts += [f"scores {self.score_fraction:.0%}"] if self.score_fraction < 1 else []
        return f" ({', '.join(parts)} of the rows)" if parts else ""


def make_detectors() -> dict[str, TimedDetector]:
    from sklearn.ensemble import IsolationForest
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    from ebmood import EnergyDetector

    detectors = {
        OURS: TimedDetector(lambda: EnergyDetector(random_state=0)),
        FAST: TimedDetector(lambda: EnergyDetector(speed="fast", random_state=0)),
        "isolation forest (100 trees)": TimedDetector(
            lambda: IsolationForest(n_estimators=100, random_state=0)
        ),
        "kNN, brute force (5)": TimedDetector(
            lambda: NearestNeighbors(n_neighbors=5, algorithm="brute"), 1, 0.01
        ),
        "LOF (20)": TimedDetector(lambda: LocalOutlierFactor(novelty=True), 0.05, 0.02),
        "Gaussian mixture (5)": TimedDetector(lambda: GaussianMixture(n_components=5, random_state=0)),
        "one-class SVM": TimedDetector(OneClassSVM, 0.05, 0.02),
    }
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.inne import INNE
    except ImportError:
        print("without ECOD and INNE, which need PyOD: pip install 'ebmood[compare]'")
        return detectors
    return detectors | {
        "ECOD": TimedDetector(ECOD, 0.2, 0.1),
        "INNE": TimedDetector(lambda: INNE(random_state=0), 1, 0.1),
    }


def make_table(rows: int, columns: int) -> np.ndarray:
    """Return rows in four clusters, with correlated and nonlinearly related columns."""
    generator = np.random.default_rng(0)
    z = generator.standard_normal((rows, columns))
    mixed = z @ generator.standard_normal((columns, columns)) / np.sqrt(columns)
    return np.tanh(mixed) + 0.3 * z + generator.integers(0, 4, (rows, 1))


@contextmanager
def one_thread() -> Iterator[None]:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        yield


def fit_all(detectors: dict[str, TimedDetector], rows: int, columns: int) -> Callable[[], None]:
    """Fit all detectors. Return a function that lets each of them score the same rows once."""
    train, test = np.split(make_table(2 * rows, columns), 2)
    for detector in detectors.values():
        detector.fit(train)

    def run_round() -> None:
        for detector in detectors.values():
            detector.score(test)

    return run_round


def print_table(detectors: dict[str, TimedDetector]) -> None:
    ours = detectors[OURS]
    print("| detector | fit | ratio | score | ratio | target |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for name, detector in detectors.items():
        seconds = min(detector.score_seconds)
        target = f"{TARGETS[name]:g}" if name in TARGETS else ""
        print(
            f"| {name}{detector.fractions()} | {detector.fit_seconds:.2f} | "
            f"{detector.fit_seconds / ours.fit_seconds:.3g} | {seconds:.2f} | "
            f"{seconds / min(ours.score_seconds):.3g} | {target} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="number of training rows and of test rows")
    parser.add_argument("--columns", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=[], help="other detectors whose names contain one of these texts"
    )
    arguments = parser.parse_args()
    detectors = {
        name: detector
        for name, detector in make_detectors().items()
        if name == OURS or not arguments.only or any(text in name for text in arguments.only)
    }
    with one_thread():
        run_round = fit_all(detectors, arguments.rows, arguments.columns)
        for _ in range(arguments.rounds):
            run_round()
    print(
        f"{arguments.rows} rows of {arguments.columns} columns, CPU seconds; a ratio above 1: {OURS} is faster\n"
    )
    print_table(detectors)


if __name__ == "__main__":
    main()
