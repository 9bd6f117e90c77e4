"""False alarms among later rows of a series, what the check of the order predicts, and calibration on the last rows.

    python benchmarks/row_order.py [--repetitions 12]

Three of five columns are autoregressive. A detector is fitted on the first rows, and the next 500 rows are new.
"""

import argparse
import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow

from ebmood import EnergyDetector
from ebmood.detector.raw.row_order import check_order

NEW = 500
START = 200
"""Rows that are dropped, until the series has forgotten its start."""


def series(rows: int, coefficient: float, rng: np.random.Generator) -> np.ndarray:
    """Return three autoregressive columns with variance 1 and two of noise: `(rows, 5)`."""
    x = rng.normal(size=(START + rows, 5))
    for t in range(1, len(x)):
        x[t, :3] = coefficient * x[t - 1, :3] + np.sqrt(1 - coefficient**2) * x[t, :3]
    return x[START:]


def flagged(x: np.ndarray, rows: int, calibration: float | str, seed: int) -> float:
    detector = EnergyDetector(calibration=calibration, random_state=seed).fit(x[:rows])
    return float((detector.predict(x[rows:]) == -1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=12)
    repetitions = parser.parse_args().repetitions
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(0)
    print("| rows | r | false alarms | check | warned | calibrated on the last rows |")
    print("| --: | --: | --: | --: | --: | --: |")
    for rows in (300, 1_000, 3_000):
        for coefficient in (0.0, 0.8, 0.95, 0.98, 0.995):
            results = []
            for seed in range(repetitions):
                x = series(rows + NEW, coefficient, rng)
                check = check_order(pyarrow.table({f"x{k}": x[:rows, k] for k in range(5)}), seed)
                assert check is not None
                both = [flagged(x, rows, calibration, seed) for calibration in (0.2, "last")]
                results.append((both[0], check.flagged, check.matters, both[1]))
            values = " | ".join(f"{100 * value:.1f} %" for value in np.mean(results, axis=0))
            print(f"| {rows:,} | {coefficient:g} | {values} |", flush=True)


if __name__ == "__main__":
    main()
