"""How much does a detector lose if some of its training rows are outliers?

    python benchmarks/contamination.py TABLES [--cache FILE]
    python benchmarks/contamination.py TABLES --halvings 20 --rows 1000

TABLES holds one-class tables (`.npz` files with `train`, `test` and `y`). Random outliers of the test rows become 5 %
of the training rows, or half of the outliers where a table has too few, and leave the test rows. Every detector is
compared with itself on clean training rows, on the same test rows, and with kNN on standardised columns.

With `--halvings`, the numbers of neighbours are chosen on a random half of the tables, by the mean fall of AUROC, and
confirmed on the other half; `contamination="auto"` is measured too. `--rows` limits the training rows, to save time.
"""

import argparse
import hashlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score
from table_rivals import KNN, RIVALS
from table_suites import Task, one_class_tables
from tables import code_version, interval

FRACTION = 0.05
NEIGHBOURS = {
    "contamination=0.05": (1.0, 5.0),
    "only 1 time": (1.0,),
    "only 2.5 times": (2.5,),
    "only 5 times": (5.0,),
}
"""Numbers of neighbours of the further energies as multiples of the number of outliers. The first is the default."""

AUTO, IGNORED = "contamination='auto'", "without contamination="


def contaminated(task: Task, rows: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the clean training rows, the contaminated ones, the test rows and their labels."""
    train, test, y = task.load()
    rng = np.random.default_rng(0)
    if rows is not None and rows < len(train):
        train = train[np.sort(rng.choice(len(train), rows, replace=False))]
    outliers = np.flatnonzero(y == 1)
    count = min(round(len(train) * FRACTION / (1 - FRACTION)), len(outliers) // 2)
    moved = rng.choice(outliers, count, replace=False)
    rest = np.setdiff1d(np.arange(len(y)), moved)
    return train, np.concatenate([train, test[moved]]), test[rest], y[rest]


def knn(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    return RIVALS[KNN](train, test, 0)


def energy_detector(
    contamination: float | str | None, multiples: tuple[float, ...] | None = None
) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function from training and test rows to outlier scores of the test rows."""

    def run(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        from ebmood import EnergyDetector
        from ebmood.detector.energy import contamination as module

        module.NEIGHBOURS_PER_OUTLIER = multiples or NEIGHBOURS["contamination=0.05"]
        with warnings.catch_warnings(action="ignore"):
            detector = EnergyDetector(contamination=contamination, random_state=0)  # pyright: ignore[reportArgumentType]
            return -detector.fit(train).score_samples(test)

    return run


def results_of(
    task: Task, rows: int | None, candidates: list[str], cached: dict[str, dict], cache: Path
) -> dict[str, np.ndarray]:
    """Return AUROC and AUC-PR in per cent of every detector on one table."""
    clean, dirty, test, y = contaminated(task, rows)
    runs: dict[str, Callable[[], np.ndarray]] = {
        f"{KNN}, clean": lambda: knn(clean, test),
        KNN: lambda: knn(dirty, test),
        "EnergyDetector, clean": lambda: energy_detector(None)(clean, test),
        IGNORED: lambda: energy_detector(None)(dirty, test),
    }
    if len(candidates) > 1:
        runs[AUTO] = lambda: energy_detector("auto")(dirty, test)
    for name in candidates:
        runs[name] = lambda name=name: energy_detector(FRACTION, NEIGHBOURS[name])(dirty, test)
    results = {}
    for name, run in runs.items():
        version = hashlib.sha256(code_version(name).encode()).hexdigest()[:8] if KNN not in name else ""
        key = f"{task.table}/{rows}/{name}/{version}"
        if key not in cached:
            scores = run()
            cached[key] = {
                "auroc": 100 * float(roc_auc_score(y, scores)),
                "aucpr": 100 * float(average_precision_score(y, scores)),
            }
            with cache.open("a") as file:
                file.write(json.dumps({"key": key, "result": cached[key]}) + "\n")
        results[name] = np.array([cached[key]["auroc"], cached[key]["aucpr"]])
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tables", type=Path)
    parser.add_argument(
        "--halvings", type=int, help="choose numbers of neighbours on this many random halves"
    )
    parser.add_argument("--rows", type=int, help="largest number of training rows")
    parser.add_argument("--cache", type=Path, default=Path("contamination-cells.jsonl"), help="(%(default)s)")
    arguments = parser.parse_args()
    cached = {}
    if arguments.cache.exists():
        entries = map(json.loads, arguments.cache.read_text().splitlines())
        cached = {entry["key"]: entry["result"] for entry in entries}
    tasks = list(one_class_tables(arguments.tables))
    names = list(NEIGHBOURS) if arguments.halvings else list(NEIGHBOURS)[:1]
    of_tables = []
    for number, task in enumerate(tasks):
        of_tables.append(results_of(task, arguments.rows, names, cached, arguments.cache))
        if number % 10 == 0:
            print(f"[{number + 1}/{len(tasks)}] {task.table}", flush=True)
    values = {name: np.array([results[name] for results in of_tables]) for name in of_tables[0]}

    def gain(name: str) -> np.ndarray:
        """By how much less than kNN the detector falls, `(tables, 2)`."""
        return (values[f"{KNN}, clean"] - values[KNN]) - (values["EnergyDetector, clean"] - values[name])

    print("\n| training rows | AUROC | AUC-PR | fall of AUROC less than that of kNN | fall of AUC-PR |")
    print("| :-- | --: | --: | --: | --: |")
    for name, of_name in values.items():
        means = of_name.mean(axis=0)
        compared = name == KNN or "clean" in name
        differences = ["", ""] if compared else [interval(gain(name)[:, metric]) for metric in (0, 1)]
        print(f"| {name} | {means[0]:.1f} | {means[1]:.1f} | {differences[0]} | {differences[1]} |")
    if not arguments.halvings:
        return
    rng, chosen, confirmed = np.random.default_rng(0), [], []
    for _ in range(arguments.halvings):
        first, second = np.array_split(rng.permutation(len(tasks)), 2)
        best = max(names, key=lambda name: gain(name)[first, 0].mean())
        chosen.append(best)
        confirmed.append(gain(best)[second, 0].mean())
    print(
        f"\nChosen on {arguments.halvings} random halves: "
        + ", ".join(f"{name} {chosen.count(name)}" for name in names if name in chosen)
        + f". On the other halves the fall is smaller than that of kNN by {np.mean(confirmed):.2f} in the mean "
        f"(from {min(confirmed):.2f} to {max(confirmed):.2f})."
    )


if __name__ == "__main__":
    main()
