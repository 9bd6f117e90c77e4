"""Check the false-alarm rate of `EnergyDetector` on many random splits of real tables.

    python benchmarks/calibration.py [FOLDER] [--calibration 0.4] [--splits 200] [--jobs 2]
    python benchmarks/calibration.py [FOLDER] --calibration loo

Each split fits `EnergyDetector` on a random half of the rows of a table and counts false alarms among the other half.
The tables are those of scikit-learn, and with FOLDER also the normal rows of ADBench's `.npz` files with at most 3,000
rows. With split calibration, the mean rate over all splits must be within three standard errors of
floor(alpha (n + 1)) / (n + 1), where n is the number of calibration rows. With leave-one-out calibration, for which
nothing is proved, it must be at most alpha plus three standard errors. The exit code is 1 if a rate is not as it must
be.
"""

import argparse
import math
import sys
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

LEVELS = (0.01, 0.05, 0.1, 0.2)
MAX_ROWS = 3_000

Loader = Callable[[], np.ndarray]


def scikit_learn_rows(name: str, label: int | None) -> np.ndarray:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x if label is None else x[y == label]


def adbench_rows(path: Path) -> np.ndarray:
    data = np.load(path, allow_pickle=False)
    return data["X"][data["y"] == 0].astype(np.float64)


def tables(folder: Path | None) -> dict[str, Loader]:
    """Return a function that loads the rows of each table."""
    found: dict[str, Loader] = {
        "iris": partial(scikit_learn_rows, "iris", None),
        "wine": partial(scikit_learn_rows, "wine", None),
        "diabetes": partial(scikit_learn_rows, "diabetes", None),
        "breast cancer, benign": partial(scikit_learn_rows, "breast_cancer", 1),
        "digits, 3": partial(scikit_learn_rows, "digits", 3),
    }
    for path in sorted(folder.glob("*.npz")) if folder else ():
        if len(adbench_rows(path)) <= MAX_ROWS:
            found[path.stem] = partial(adbench_rows, path)
    return found


def run_split(load: Loader, calibration: float | str, seed: int) -> tuple[int, np.ndarray]:
    """Return the number of calibration rows, and for each level the fraction of false alarms among test rows."""
    import torch

    from ebmood import EnergyDetector

    torch.set_num_threads(1)
    x = load()
    x = x[np.random.default_rng(seed).permutation(len(x))]
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(calibration=calibration, random_state=seed).fit(x[: len(x) // 2])
    p = detector.p_values(x[len(x) // 2 :])
    return len(detector.calibration_scores_), np.array([(p <= level).mean() for level in LEVELS])


def check(level: float, rows: int, rates: np.ndarray, is_exact: bool) -> tuple[bool, str]:
    """Return whether the mean rate at one level is as it must be, and a cell of the table."""
    error = rates.std(ddof=1) / np.sqrt(len(rates))
    expected = math.floor(level * (rows + 1)) / (rows + 1)
    deviation = abs(rates.mean() - expected) if is_exact else max(0.0, rates.mean() - level)
    passed = deviation <= 3 * error
    return passed, f"{rates.mean():.4f} ± {error:.4f}" + ("" if passed else " !")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="ADBench's .npz files")
    parser.add_argument("--splits", type=int, default=200, help="number of random splits, at least 2")
    parser.add_argument("--calibration", default="0.4", help="a fraction, or loo (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.splits < 2:
        parser.error("--splits must be at least 2")
    is_exact = arguments.calibration != "loo"
    calibration = float(arguments.calibration) if is_exact else "loo"
    failed = 0
    print("| table | training rows | " + " | ".join(f"alpha {level}" for level in LEVELS) + " |")
    print("| :-- | --: |" + " --: |" * len(LEVELS))
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        for name, load in tables(arguments.folder).items():
            results = list(pool.map(partial(run_split, load, calibration), range(arguments.splits)))
            rates = np.array([rate for _, rate in results])
            cells = [check(level, results[0][0], rates[:, i], is_exact) for i, level in enumerate(LEVELS)]
            failed += sum(not passed for passed, _ in cells)
            print(
                f"| {name} | {len(load()) // 2} | " + " | ".join(text for _, text in cells) + " |", flush=True
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
