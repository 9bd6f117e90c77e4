"""Raw tables with mixed columns, fitted without options: what is flagged among ordinary and among other rows.

Usage: python benchmarks/newcomer.py FOLDER

The folder holds `NAME-train.csv` and further tables `NAME-*.csv` of the same columns. For each of them the mean and the
standard deviation of the flagged share over ten seeds are printed, with split and with leave-one-out calibration.

Two more tables show what columns of dates do. The slow flights (`flights-slow.csv`) are scored with fewer columns. The
later weather rows (`weather-ordinary.csv`) get the dates of half a year later, and are told from the true ones with the
month as a cycle, as a category and not at all.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy as np

from ebmood import EnergyDetector, separation
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.raw.table_detector import TableDetector

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
    print_fewer_columns(folder)
    print_seasons(folder)


def print_fewer_columns(folder: Path) -> None:
    print("\n| flights without | slow: flagged |\n| :-- | --: |")
    for left_out in ((), ("time_hour",), ("day", "time_hour"), ("carrier", "origin", "dest")):
        shares = []
        for seed in range(SEEDS):
            detector = TableDetector.fit(
                EnergyDetector(random_state=seed),
                open_table(folder / "flights-train.csv"),
                Choices(drop=left_out),
            )
            batches = detector.score(open_table(folder / "flights-slow.csv"))
            shares.append(float(np.concatenate([batch.flags for batch in batches]).mean()))
        print(f"| {', '.join(left_out) or '-'} | {np.mean(shares):.1%} ± {np.std(shares):.1%} |")


def print_seasons(folder: Path) -> None:
    import pandas as pd

    numbers = ["precipitation", "temp_max", "temp_min", "wind"]

    def frame(name: str, later: int, columns: str) -> pd.DataFrame:
        table = pd.read_csv(folder / name)
        dates = pd.to_datetime(table["date"]) + pd.Timedelta(days=later)
        features = table[[*numbers, "weather"]].astype({"weather": "category"})
        month = 2 * np.pi * (dates.dt.month - 1) / 12
        if "cycle" in columns:
            features = features.assign(sine=np.sin(month), cosine=np.cos(month))
        if "category" in columns:
            features = features.assign(month=dates.dt.month.astype(str).astype("category"))
        if "weekday" in columns:
            day = 2 * np.pi * dates.dt.weekday / 7
            features = features.assign(day_sine=np.sin(day), day_cosine=np.cos(day))
        return features

    print("\n| month of weather | AUROC | other season: flagged |\n| :-- | --: | --: |")
    for columns in ("cycle", "category", "without", "cycle and weekday"):
        aurocs, shares = [], []
        for seed in range(SEEDS):
            detector = EnergyDetector(random_state=seed).fit(frame("weather-train.csv", 0, columns))
            here, there = (frame("weather-ordinary.csv", later, columns) for later in (0, 182))
            aurocs.append(separation(detector.score_samples(here), detector.score_samples(there)).auroc)
            shares.append(float((detector.predict(there) == -1).mean()))
        print(f"| {columns} | {np.mean(aurocs):.3f} ± {np.std(aurocs):.3f} | {np.mean(shares):.0%} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
