"""Check the false-alarm rate of `EnergyDetector` on many random splits of two real tables.

    python benchmarks/calibration.py [--splits 200] [--alpha 0.05] [--jobs 2] [--quick]

Each split fits `EnergyDetector` on half of the rows of the normal class (benign cells of the breast cancer table; all
segments of Segment except the sky) and counts false alarms among the other half. Over all splits, the mean rate must
be within three standard errors of floor(alpha (n + 1)) / (n + 1), where n is the number of calibration rows. The exit
code is 1 if it is not.
"""

import argparse
import math
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

TABLES = ("breast cancer, benign", "segment")
LEVELS = (0.01, 0.05, 0.1, 0.2)


def load_rows(table: str) -> np.ndarray:
    if table == "segment":
        from ebmood import Segment

        return np.unique(np.asarray(Segment().load().x, dtype=np.float64), axis=0)
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return x[y == 1]


def run_split(table: str, seed: int, alpha: float, quick: bool) -> tuple[int, np.ndarray]:
    """Return the number of calibration rows and the p-values of the test rows."""
    import torch

    from ebmood import EnergyDetector, EnergySettings

    torch.set_num_threads(1)
    x = load_rows(table)
    x = x[np.random.default_rng(seed).permutation(len(x))]
    energy = EnergySettings(steps=50, members=1, hidden=(16,)) if quick else None
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(alpha=alpha, calibration=0.4, energy=energy, random_state=seed)
        detector.fit(x[: len(x) // 2])
    return len(detector.calibration_scores_), detector.p_values(x[len(x) // 2 :])


def check(alpha: float, calibration_rows: int, p_values: tuple[np.ndarray, ...]) -> bool:
    """Print the expected and the measured rate at one level. Return whether they agree."""
    rates = np.array([(p <= alpha).mean() for p in p_values])
    expected = math.floor(alpha * (calibration_rows + 1)) / (calibration_rows + 1)
    error = rates.std(ddof=1) / np.sqrt(len(rates))
    deviation = (rates.mean() - expected) / error if error else 0.0
    passed = abs(deviation) <= 3
    note = "" if passed else "  more than three standard errors"
    print(f"{alpha:6.2f} {expected:9.5f} {rates.mean():9.5f} {error:8.5f} {deviation:+10.2f}{note}")
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=200, help="number of random splits, at least 2")
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="level of the detector; other levels are checked, too"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="train for a short time; the rate does not depend on the training",
    )
    arguments = parser.parse_args()
    if arguments.splits < 2:
        parser.error("--splits must be at least 2")
    passed = []
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for table in TABLES:
            futures = [
                pool.submit(run_split, table, seed, arguments.alpha, arguments.quick)
                for seed in range(arguments.splits)
            ]
            n, p_values = zip(*(future.result() for future in futures), strict=True)
            print(
                f"\n{table}: {arguments.splits} splits, {n[0]} calibration rows, {len(p_values[0])} test rows"
            )
            print(f"{'alpha':>6} {'expected':>9} {'measured':>9} {'error':>8} {'deviation':>10}")
            passed += [check(alpha, n[0], p_values) for alpha in sorted({*LEVELS, arguments.alpha})]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
