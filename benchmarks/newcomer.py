"""Raw tables with mixed columns, fitted without options: what is flagged among ordinary and among other rows.

Usage: python benchmarks/newcomer.py FOLDER

The folder holds `NAME-train.csv` and further tables `NAME-*.csv` of the same columns. For each of them the mean and the
standard deviation of the flagged share over ten seeds are printed, with split and with leave-one-out calibration.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np

from ebmood import EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.table_detector import TableDetector

SEEDS = 10


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    print("| table | rows | split: flagged | loo: flagged | fit, s |\n| :-- | --: | --: | --: | --: |")
    for train in sorted(folder.glob("*-train.csv")):
        name = train.name.removesuffix("-train.csv")
        others = [path for path in sorted(folder.glob(f"{name}-*.csv")) if path != train]
        shares: dict[tuple[Path, str], list[float]] = {}
        rows: dict[Path, int] = {}
        seconds = []
        for calibration in ("split", "loo"):
            for seed in range(SEEDS):
                start = time.perf_counter()
                estimator = EnergyDetector(
                    calibration=0.2 if calibration == "split" else "loo", random_state=seed
                )
                detector = TableDetector.fit(estimator, open_table(train))
                seconds.append(time.perf_counter() - start)
                for path in others:
                    flags = np.concatenate([batch.flags for batch in detector.score(open_table(path))])
                    rows[path] = len(flags)
                    shares.setdefault((path, calibration), []).append(float(flags.mean()))
        for path in others:
            split, loo = (np.array(shares[path, calibration]) for calibration in ("split", "loo"))
            print(
                f"| {path.stem} | {rows[path]} | {split.mean():.1%} ± {split.std():.1%} | {loo.mean():.1%} ± "
                f"{loo.std():.1%} | {np.median(seconds):.1f} |"
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
