"""How to calibrate a detector of few rows: a fifth of them, as many as alpha needs, or leave-one-out calibration.

Of each table a few training rows are drawn. Test rows are at most 250 normal rows and 250 outliers. Cells are means
over tables: AUROC, the fraction of outliers and of normal rows that are flagged at alpha 0.05, and the largest fraction
of normal rows of one table.

    python benchmarks/small_tables.py TABLES --half 0

Half 0 is a random half of the tables, and half 1 the others. `calibration="auto"` was chosen on half 0.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from table_suites import one_class_tables
from tqdm import tqdm

from ebmood import EnergyDetector
from ebmood.core.calibration import rows_needed

ALPHA = 0.05
TEST_ROWS = 250


def arms(rows: int) -> dict[str, float | int | str]:
    """Return the calibrations that are compared. A number of rows must leave half of them for training."""
    needed = rows_needed(ALPHA)
    return (
        {"a fifth": 0.2}
        | ({f"{needed} rows": needed} if 2 * needed <= rows else {})
        | {"leave-one-out": "loo"}
    )


def measure(
    train: np.ndarray, test: np.ndarray, y: np.ndarray, calibration: float | int | str, seed: int
) -> tuple[float, float, float]:
    """Return AUROC, and the fractions of outliers and of normal rows that are flagged."""
    detector = EnergyDetector(alpha=ALPHA, calibration=calibration, random_state=seed).fit(train)  # type: ignore[arg-type]
    batch = detector.score_batch(test)
    flagged = batch.labels == -1
    return (
        float(roc_auc_score(y, -batch.scores)),
        float(flagged[y == 1].mean()),
        float(flagged[y == 0].mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", type=Path, help="folder of OddBench and OvRBench")
    parser.add_argument("--half", type=int, choices=(0, 1), default=0)
    parser.add_argument("--rows", type=int, nargs="+", default=[25, 40, 60, 90])
    parser.add_argument("--splits", type=int, default=2)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    tasks = list(one_class_tables(arguments.tables))
    chosen = np.array_split(np.random.default_rng(0).permutation(len(tasks)), 2)[arguments.half]
    results: dict[tuple[int, str], list[np.ndarray]] = {}
    for index in tqdm(chosen):
        train, test, y = tasks[index].load()
        for rows in arguments.rows:
            if len(train) < 2 * rows:
                continue
            measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in arms(rows)}
            for seed in range(arguments.splits):
                rng = np.random.default_rng(seed)
                sample = train[rng.choice(len(train), rows, replace=False)]
                kinds = [rng.permutation(np.flatnonzero(y == kind))[:TEST_ROWS] for kind in (0, 1)]
                used = np.concatenate(kinds)
                for name, calibration in arms(rows).items():
                    measured[name].append(measure(sample, test[used], y[used], calibration, seed))
            for name, values in measured.items():
                results.setdefault((rows, name), []).append(np.mean(values, axis=0))
    print("| training rows | calibration | tables | AUROC | outliers flagged | false alarms | largest |")
    print("| --: | :-- | --: | --: | --: | --: | --: |")
    for (rows, name), values in results.items():
        auroc, hits, alarms = np.mean(values, axis=0)
        largest = np.max(values, axis=0)[2]
        print(
            f"| {rows} | {name} | {len(values)} | {auroc:.3f} | {hits:.1%} | {alarms:.1%} | {largest:.1%} |"
        )


if __name__ == "__main__":
    main()
