"""Check the false-alarm rate of `EnergyDetector` on many random splits of real tables.

    python benchmarks/calibration.py [FOLDER] [--calibration 0.4] [--splits 200] [--jobs 2]
    python benchmarks/calibration.py [FOLDER] --calibration loo
    python benchmarks/calibration.py FOLDER --calibration loo --rows 20 30 45 60 90 --splits 20

Each split fits `EnergyDetector` on a random half of the rows of a table and counts false alarms among the other half.
The tables are those of scikit-learn, and with FOLDER also the normal rows of ADBench's `.npz` files, or the training
rows of one-class tables (`train`), with at most 3,000 rows. With split calibration, the mean rate over all splits must
be within three standard errors of floor(alpha (n + 1)) / (n + 1), where n is the number of calibration rows. With
leave-one-out calibration, for which nothing is proved, it must be at most alpha plus three standard errors. The exit
code is 1 if a rate is not as it must be.

With --rows, only so many rows are used for the fit, and there is one line for all tables, without a check: the mean,
its standard error over tables, and the largest mean of a table.
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


def normal_rows(path: Path) -> np.ndarray:
    data = np.load(path, allow_pickle=False)
    rows = data["train"] if "train" in data else data["X"][data["y"] == 0]
    return rows.astype(np.float64)


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
        if len(normal_rows(path)) <= MAX_ROWS:
            found[path.stem] = partial(normal_rows, path)
    return found


def run_split(load: Loader, calibration: float | str, rows: int | None, seed: int) -> tuple[int, np.ndarray]:
    """Return the number of calibration rows, and for each level the fraction of false alarms among test rows.

    `rows` rows are used for the fit; None for half of them.
    """
    import torch

    from ebmood import EnergyDetector

    torch.set_num_threads(1)
    x = load()
    x = x[np.random.default_rng(seed).permutation(len(x))]
    rows = len(x) // 2 if rows is None else rows
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(calibration=calibration, random_state=seed).fit(x[:rows])
    p = detector.p_values(x[rows:])
    return len(detector.calibration_scores_), np.array([(p <= level).mean() for level in LEVELS])


def check(level: float, rows: int, rates: np.ndarray, is_exact: bool) -> tuple[bool, str]:
    """Return whether the mean rate at one level is as it must be, and a cell of the table."""
    error = rates.std(ddof=1) / np.sqrt(len(rates))
    expected = math.floor(level * (rows + 1)) / (rows + 1)
    deviation = abs(rates.mean() - expected) if is_exact else max(0.0, rates.mean() - level)
    passed = deviation <= 3 * error
    return passed, f"{rates.mean():.4f} ± {error:.4f}" + ("" if passed else " !")


def run_sizes(
    pool: ProcessPoolExecutor,
    found: dict[str, Loader],
    calibration: float | str,
    sizes: list[int],
    splits: int,
) -> None:
    """Print for each number of training rows the false alarms over all tables with at least twice as many rows."""
    head = "".join(f" alpha {level} | most |" for level in LEVELS)
    print("| training rows | tables |" + head + "\n| --: | --: |" + " --: |" * (2 * len(LEVELS)))
    for rows in sizes:
        means = []
        for load in found.values():
            if len(load()) >= 2 * rows:
                results = pool.map(partial(run_split, load, calibration, rows), range(splits))
                means.append(np.mean([rates for _, rates in results], axis=0))
        all_means = np.array(means)
        errors = all_means.std(axis=0, ddof=1) / np.sqrt(len(means))
        cells = zip(all_means.mean(axis=0), errors, all_means.max(axis=0), strict=True)
        text = " | ".join(f"{mean:.4f} ± {error:.4f} | {most:.3f}" for mean, error, most in cells)
        print(f"| {rows} | {len(means)} | {text} |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="ADBench's .npz files, or one-class tables")
    parser.add_argument(
        "--rows", type=int, nargs="+", help="numbers of training rows, for one line over all tables"
    )
    parser.add_argument("--splits", type=int, default=200, help="number of random splits, at least 2")
    parser.add_argument("--calibration", default="0.4", help="a fraction, or loo (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.splits < 2:
        parser.error("--splits must be at least 2")
    is_exact = arguments.calibration != "loo"
    calibration = float(arguments.calibration) if is_exact else "loo"
    failed = 0
    found = tables(arguments.folder)
    if arguments.rows:
        with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
            run_sizes(pool, found, calibration, arguments.rows, arguments.splits)
        return 0
    print("| table | training rows | " + " | ".join(f"alpha {level}" for level in LEVELS) + " |")
    print("| :-- | --: |" + " --: |" * len(LEVELS))
    with ProcessPoolExecutor(arguments.jobs, get_context("spawn")) as pool:
        for name, load in found.items():
            results = list(pool.map(partial(run_split, load, calibration, None), range(arguments.splits)))
            rates = np.array([rate for _, rate in results])
            cells = [check(level, results[0][0], rates[:, i], is_exact) for i, level in enumerate(LEVELS)]
            failed += sum(not passed for passed, _ in cells)
            print(
                f"| {name} | {len(load()) // 2} | " + " | ".join(text for _, text in cells) + " |", flush=True
            )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
