"""Watch tables of flights and of weather with `ebmood.Monitor`, and with other detectors of changes.

    python benchmarks/monitoring_tables.py FOLDER

FOLDER holds `flights-train.csv`, `flights-ordinary.csv`, `flights-slow.csv`, `weather-train.csv` and
`weather-ordinary.csv`. Each detector is fitted on a random two thirds of the training table. The feeds are the other
third, which has not changed, and the later tables. docs/results/monitoring.md has the table that this prints.
"""

import argparse
import math
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from monitoring_rivals import first_adwin, page_hinkley_course
from scipy.stats import ks_2samp

from ebmood import EnergyDetector, Monitor

BATCH = 100
FEATURES = {
    "flights": ["dep_delay", "arr_delay", "air_time", "distance", "hour", "carrier", "origin"],
    "weather": ["precipitation", "temp_max", "temp_min", "wind", "weather"],
}
LATER = {"flights": ("ordinary", "slow"), "weather": ("ordinary",)}


def first_rivals(detector: EnergyDetector, known: pd.DataFrame, rows: pd.DataFrame) -> list[float]:
    """Return the first alarm of Kolmogorov-Smirnov tests, Page-Hinkley and ADWIN, the latter with their defaults."""
    numbers = known.select_dtypes("number").columns
    batches = math.ceil(len(rows) / BATCH)
    level = 0.01 / (batches * len(numbers))
    first_ks = math.inf
    for start in range(0, len(rows), BATCH):
        batch = rows.iloc[start : start + BATCH]
        p = [ks_2samp(known[name].dropna(), batch[name].dropna(), method="asymp").pvalue for name in numbers]
        if min(p) <= level:
            first_ks = start + len(batch) - 1
            break
    center, spread = known[numbers].median(), known[numbers].std()
    scores, calibration = detector.score_samples(rows), detector.calibration_scores_
    streams = np.column_stack(
        [
            (scores - np.median(calibration)) / calibration.std(),
            ((rows[numbers].fillna(center) - center) / spread).to_numpy(),
        ]
    )
    course = np.max([page_hinkley_course(stream) for stream in streams.T], axis=0)
    above = np.flatnonzero(course > 50)
    first_hinkley = float(above[0]) if len(above) else math.inf
    return [first_ks, first_hinkley, first_adwin(streams, 0.002 * streams.shape[1])]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    print(
        "| table | feed | rows | evidence (log10), largest | alarm at row | found by | features: batches that differ "
        "| KS | Page-Hinkley | ADWIN |"
    )
    print("| :-- | :-- | --: | --: | --: | :-- | :-- | --: | --: | --: |")
    for name, columns in FEATURES.items():
        train = pd.read_csv(folder / f"{name}-train.csv")[columns]
        order = np.random.default_rng(0).permutation(len(train))
        known = train.iloc[order[len(train) // 3 :]]
        with warnings.catch_warnings(action="ignore"):
            detector = EnergyDetector(random_state=0).fit(known)
        feeds = {"the other third, shuffled": train.iloc[order[: len(train) // 3]]}
        feeds |= {part: pd.read_csv(folder / f"{name}-{part}.csv")[columns] for part in LATER[name]}
        if name == "weather":
            feeds["ordinary, every 14th row"] = feeds["ordinary"].iloc[::14]
        for title, rows in feeds.items():
            monitor = Monitor(detector)
            for start in range(0, len(rows), BATCH):
                monitor.update(rows.iloc[start : start + BATCH])
            counts = {f: sum(f in b.drifted for b in monitor.batches) for f in monitor.feature_names}
            named = [f"{f} {n}" for f, n in sorted(counts.items(), key=lambda item: -item[1]) if n]
            alarm, peak = monitor.alarm, max(batch.peak for batch in monitor.batches)
            rivals = ["–" if math.isinf(row) else f"{row:.0f}" for row in first_rivals(detector, known, rows)]
            cells = [
                name,
                title,
                len(rows),
                f"{peak / math.log(10):.1f}",
                *(("–", "") if alarm is None else (alarm.row, alarm.stream)),
                f"{', '.join(named) or 'none'} (of {len(monitor.batches)})",
                *rivals,
            ]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
