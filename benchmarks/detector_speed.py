"""How long do fitting and scoring take, beside what people use? Ratios of one run.

    python benchmarks/detector_speed.py [--rows 100000] [--columns 48] [--rounds 5] [--only NAME ...]
    pytest benchmarks/test_detector_speed.py --benchmark-json detector.json

All detectors are fitted once, then score the same rows, on one thread each, in rounds that go through all of them in
turn: what else the machine does falls on all alike. CPU time is counted, of scoring that of the fastest round. Some
are fitted on a share of the rows or score a share, which is printed; the time of scoring is divided by it, that of
fitting is not. A ratio above 1 means that ours is faster.
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

OURS = "EnergyDetector"
AIMS = {"isolation forest (100 trees)": 2.0, "kNN, brute force (5)": 100.0}
"""How many times faster ours should score."""


@dataclass
class Timed:
    """A detector, the shares of the rows that it is fitted on and scores, and its CPU seconds."""

    make: Callable
    fit_share: float = 1.0
    share: float = 1.0
    fit_seconds: float = 0.0
    scores: list[float] = field(default_factory=list)

    def fit(self, x: np.ndarray) -> None:
        began = time.process_time()
        self.fitted = self.make().fit(x[: round(self.fit_share * len(x))])
        self.fit_seconds = time.process_time() - began

    def score(self, rows: np.ndarray) -> None:
        names = ("score_samples", "decision_function", "kneighbors")
        score = next(getattr(self.fitted, name) for name in names if hasattr(self.fitted, name))
        few = rows[: max(1, round(self.share * len(rows)))]
        began = time.process_time()
        score(few)
        self.scores.append((time.process_time() - began) * len(rows) / len(few))


def detectors() -> dict[str, Timed]:
    from sklearn.ensemble import IsolationForest
    from sklearn.mixture import GaussianMixture
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.svm import OneClassSVM

    from ebmood import EnergyDetector

    timed = {
        OURS: Timed(lambda: EnergyDetector(random_state=0)),
        "isolation forest (100 trees)": Timed(lambda: IsolationForest(n_estimators=100, random_state=0)),
        "kNN, brute force (5)": Timed(lambda: NearestNeighbors(n_neighbors=5, algorithm="brute"), 1, 0.01),
        "LOF (20)": Timed(lambda: LocalOutlierFactor(novelty=True), 0.05, 0.02),
        "Gaussian mixture (5)": Timed(lambda: GaussianMixture(n_components=5, random_state=0)),
        "one-class SVM": Timed(OneClassSVM, 0.05, 0.02),
    }
    try:
        from pyod.models.ecod import ECOD
        from pyod.models.inne import INNE
    except ImportError:
        print("ECOD and INNE are left out: pip install 'ebmood[compare]'")
        return timed
    return timed | {"ECOD": Timed(ECOD, 0.2, 0.1), "INNE": Timed(lambda: INNE(random_state=0), 1, 0.1)}


def table(rows: int, columns: int) -> np.ndarray:
    """Rows in four clumps, with correlated columns and curved ones."""
    stream = np.random.default_rng(0)
    z = stream.standard_normal((rows, columns))
    mixed = z @ stream.standard_normal((columns, columns)) / np.sqrt(columns)
    return np.tanh(mixed) + 0.3 * z + stream.integers(0, 4, (rows, 1))


@contextmanager
def one_thread() -> Iterator[None]:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1), warnings.catch_warnings(action="ignore"):
        yield


def fit_all(every: dict[str, Timed], rows: int, columns: int) -> Callable[[], None]:
    """Fit all; what comes back has all score the same rows once, in turn."""
    fitted, scored = np.split(table(2 * rows, columns), 2)
    for timed in every.values():
        timed.fit(fitted)

    def turn() -> None:
        for timed in every.values():
            timed.score(scored)

    return turn


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="to fit on, and as many to score")
    parser.add_argument("--columns", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=[], help="detectors beside ours whose names hold one of these"
    )
    options = parser.parse_args()

    every = {
        name: timed
        for name, timed in detectors().items()
        if name == OURS or not options.only or any(word in name for word in options.only)
    }
    with one_thread():
        turn = fit_all(every, options.rows, options.columns)
        for _ in range(options.rounds):
            turn()
    ours = every[OURS]
    print(f"{options.rows} rows of {options.columns} columns, CPU seconds; a ratio above 1: ours is faster\n")
    print("| detector | fit | ratio | score | ratio | aimed at |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for name, timed in every.items():
        score = min(timed.scores)
        shares = [f"fitted on {timed.fit_share:.0%}"] if timed.fit_share < 1 else []
        shares += [f"scores {timed.share:.0%}"] if timed.share < 1 else []
        part = f" ({', '.join(shares)} of the rows)" if shares else ""
        aim = f"{AIMS[name]:g}" if name in AIMS else ""
        print(
            f"| {name}{part} | {timed.fit_seconds:.2f} | {timed.fit_seconds / ours.fit_seconds:.3g} | "
            f"{score:.2f} | {score / min(ours.scores):.3g} | {aim} |"
        )


if __name__ == "__main__":
    main()
