"""Is the false-alarm rate what is promised? Many random splits of two real tables, refitted each time.

    python benchmarks/calibration.py [--splits 200] [--alpha 0.05] [--jobs 2] [--quick]

Each split fits `EnergyDetector` on half of the rows of one class of things (benign cells; windows, paths and other
segments of images but sky) and counts false alarms among the other half, which are like the training rows. Over the
splits, the mean rate must be within three standard errors of floor(alpha (n + 1)) / (n + 1). Leaves with exit code 1
where it is not.
"""

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

TABLES = ("breast cancer, benign", "segment")
LEVELS = (0.01, 0.05, 0.1, 0.2)


def rows_of(table: str) -> np.ndarray:
    if table == "segment":
        from ebmood import Segment

        return np.unique(np.asarray(Segment().load().x, dtype=np.float64), axis=0)
    from sklearn.datasets import load_breast_cancer

    x, y = load_breast_cancer(return_X_y=True)
    return x[y == 1]


def one_split(table: str, seed: int, alpha: float, quick: bool) -> tuple[int, np.ndarray]:
    """Calibration rows, and the p-values of rows that took no part."""
    import torch

    from ebmood import EnergyDetector, EnergySettings

    torch.set_num_threads(1)
    x = rows_of(table)
    x = x[np.random.default_rng(seed).permutation(len(x))]
    energy = EnergySettings(steps=50, members=1, hidden=(16,)) if quick else None
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(alpha=alpha, calibration=0.4, energy=energy, random_state=seed).fit(
            x[: len(x) // 2]
        )
    return len(detector.calibration_scores_), detector.p_values(x[len(x) // 2 :])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="the detector's own level; others are read off too"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--quick", action="store_true", help="short training; the guarantee must hold all the same"
    )
    options = parser.parse_args()

    from ebmood.core.calibration import false_alarm_rate

    failed = False
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        for table in TABLES:
            futures = [
                pool.submit(one_split, table, seed, options.alpha, options.quick)
                for seed in range(options.splits)
            ]
            n, p = zip(*(future.result() for future in futures), strict=True)
            print(f"\n{table}: {options.splits} splits, {n[0]} calibration rows, {len(p[0])} rows tested")
            print(f"{'alpha':>6} {'promised':>9} {'measured':>9} {'error':>8} {'off by':>7}")
            for alpha in sorted({*LEVELS, options.alpha}):
                rates = np.array([(q <= alpha).mean() for q in p])
                promised = false_alarm_rate(alpha, n[0])
                error = rates.std(ddof=1) / np.sqrt(len(rates))
                off = (rates.mean() - promised) / error if error else 0.0
                holds = abs(off) <= 3
                failed = failed or not holds
                print(
                    f"{alpha:6.2f} {promised:9.5f} {rates.mean():9.5f} {error:8.5f} {off:+6.2f}"
                    f"{'' if holds else '  more than three standard errors'}"
                )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
