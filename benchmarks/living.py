"""Check what `EnergyDetector` promises about change: batches of rows, segments and known covariate shift.

    python benchmarks/living.py batches FOLDER [--tables 30] [--rows 512] [--jobs 2]
    python benchmarks/living.py segments [--splits 200] [--jobs 2]
    python benchmarks/living.py weights [--splits 200] [--jobs 2]

`batches` compares one fit on all training rows of a table with ten calls of `partial_fit`, for rows in random order and
sorted by their first column, so that every batch differs from the others. The tables are `.npz` files with `train`,
`test` and `y`. For comparison it shows one fit with another seed.

`segments` draws lines of a plant whose noise differs, and counts false alarms in each. The mean rate over the splits
must be at most alpha plus three standard errors in every segment. `weights` does so for new rows with another density
than the calibration rows. The exit code is 1 if a rate is too high.
"""

import argparse
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ALPHA = 0.05
BATCHES = 10
LINES = {"quiet": (0.6, 1.0), "middle": (0.3, 2.0), "noisy": (0.1, 6.0)}
"""Fraction of the rows of each line, and its noise."""


def compare_batches(rows: int, path: Path) -> dict[str, tuple[float, float]]:
    """Return AUROC and false-alarm rate of every way to fit."""
    import torch
    from sklearn.metrics import roc_auc_score

    from ebmood import EnergyDetector, EnergySettings

    torch.set_num_threads(1)
    data = np.load(path, allow_pickle=False)
    train, test, y = data["train"].astype(np.float64), data["test"].astype(np.float64), data["y"]
    train = train[np.random.default_rng(0).permutation(len(train))]
    settings = EnergySettings(rows=rows)

    def fit(order: np.ndarray, batches: int, seed: int) -> tuple[float, float]:
        detector = EnergyDetector(alpha=ALPHA, energy=settings, random_state=seed)
        for batch in np.array_split(train[order], batches):
            detector.partial_fit(batch)
        result = detector.score_batch(test)
        return float(roc_auc_score(y == 0, result.scores)), float(result.flags[y == 0].mean())

    in_order, by_value = np.arange(len(train)), np.argsort(train[:, 0], kind="stable")
    with warnings.catch_warnings(action="ignore"):
        return {
            "one fit": fit(in_order, 1, 0),
            "one fit, another seed": fit(in_order, 1, 1),
            "ten batches": fit(in_order, BATCHES, 0),
            "ten sorted batches": fit(by_value, BATCHES, 0),
        }


def print_batches(folder: Path, tables: int, rows: int, jobs: int) -> int:
    paths = sorted(folder.glob("*.npz"))
    paths = paths[:: max(1, len(paths) // tables)][:tables]
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        results = list(pool.map(partial(compare_batches, rows), paths))
    reference = np.array([result["one fit"][0] for result in results])
    print(f"{len(paths)} tables, {rows} rows in memory\n")
    print("| training | mean AUROC | difference | largest difference | false alarms |")
    print("| :-- | --: | --: | --: | --: |")
    for name in results[0]:
        auroc, alarms = np.array([result[name] for result in results]).T
        difference = auroc - reference
        error = difference.std(ddof=1) / np.sqrt(len(paths))
        print(
            f"| {name} | {auroc.mean():.4f} | {difference.mean():+.4f} ± {error:.4f} | "
            f"{np.abs(difference).max():.4f} | {alarms.mean():.4f} |"
        )
    return 0


def count_in_segments(seed: int) -> list[float]:
    """Return the false-alarm rate of every line, first without segments and then with them."""
    import pandas as pd
    import torch

    from ebmood import EnergyDetector, EnergySettings

    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)

    def draw(rows: int) -> "pd.DataFrame":
        line = rng.choice(list(LINES), rows, p=[share for share, _ in LINES.values()])
        noise = np.array([LINES[name][1] for name in line])
        flow = rng.normal(20, 0.5 * noise)
        return pd.DataFrame({"flow": flow, "power": 2.5 * flow + rng.normal(0, 0.3 * noise), "line": line})

    train, new = draw(1500), draw(3000)
    rates = []
    for segment in (None, "line"):
        detector = EnergyDetector(
            alpha=ALPHA, energy=EnergySettings(rows=256), segment=segment, random_state=seed
        )
        with warnings.catch_warnings(action="ignore"):
            flags = detector.fit(train).predict(new) == -1
        rates += [float(flags[new["line"] == line].mean()) for line in LINES]
    return rates


def count_under_shift(seed: int) -> list[float]:
    """Return the false-alarm rate under a known shift of the first column, without weights and with them.

    The noise of the second column grows with the first. Calibration rows have the density N(0, 1) of the first column,
    and new rows N(1, 1), so the weight is exp(x - 1/2).
    """
    import torch

    from ebmood import EnergyDetector, EnergySettings

    torch.set_num_threads(1)
    rng = np.random.default_rng(seed)

    def draw(rows: int, mean: float) -> np.ndarray:
        first = rng.normal(mean, 1, rows)
        return np.column_stack([first, rng.normal(0, np.exp(0.8 * first))])

    detector = EnergyDetector(alpha=ALPHA, energy=EnergySettings(rows=256), random_state=seed)
    with warnings.catch_warnings(action="ignore"):
        detector.fit(draw(500, 0.0))
        calibration, new = draw(1000, 0.0), draw(1000, 1.0)
        plain = (detector.recalibrate(calibration).predict(new) == -1).mean()
        detector.recalibrate(calibration, weights=np.exp(calibration[:, 0] - 0.5))
    weighted = (detector.predict(new, weights=np.exp(new[:, 0] - 0.5)) == -1).mean()
    return [float(plain), float(weighted)]


def print_rates(count, names: list[str], checked: list[bool], splits: int, jobs: int) -> int:
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        rates = np.array(list(pool.map(count, range(splits))))
    failed = 0
    print(f"alpha {ALPHA}, {splits} splits\n\n| rows | false alarms |\n| :-- | --: |")
    for name, must_hold, column in zip(names, checked, rates.T, strict=True):
        error = column.std(ddof=1) / np.sqrt(splits)
        too_high = must_hold and column.mean() > ALPHA + 3 * error
        failed += too_high
        print(f"| {name} | {column.mean():.4f} ± {error:.4f}{' !' if too_high else ''} |")
    return int(failed > 0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=("batches", "segments", "weights"))
    parser.add_argument("folder", type=Path, nargs="?", help="tables for `batches`")
    parser.add_argument("--tables", type=int, default=30)
    parser.add_argument("--rows", type=int, default=512, help="rows in memory, for `batches`")
    parser.add_argument("--splits", type=int, default=200, help="number of random splits, at least 2")
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.part == "batches":
        if arguments.folder is None:
            parser.error("batches needs a folder of tables")
        return print_batches(arguments.folder, arguments.tables, arguments.rows, arguments.jobs)
    if arguments.part == "segments":
        names = [f"{line}, {how}" for how in ("without segments", "with segments") for line in LINES]
        return print_rates(
            count_in_segments, names, [False] * 3 + [True] * 3, arguments.splits, arguments.jobs
        )
    names = ["without weights", "with weights"]
    return print_rates(count_under_shift, names, [False, True], arguments.splits, arguments.jobs)


if __name__ == "__main__":
    sys.exit(main())
