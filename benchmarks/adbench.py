"""Compare outlier detectors on many tables, without tuning them to any table.

    python benchmarks/adbench.py FOLDER [--seeds 10] [--cache FILE] [--tables GLASS ...] [--detectors NAME ...]
    python benchmarks/adbench.py [--seeds 3] ...

FOLDER holds ADBench's `.npz` files (`X`, and `y`, which is 1 for anomalies; https://github.com/Minqi824/ADBench).
Without FOLDER, the tables are those of scikit-learn; each class in turn is the anomaly, with at most a tenth as many
rows as all other classes. For every table and seed, each detector is fitted on a random half of the normal rows and
tested on the other half and the anomalies.

Other detectors run twice, on raw and on standardised columns. For every table and metric the better result counts.
This choice uses labels. EnergyDetector runs once, with its defaults, and holds out a fifth of its training rows for
calibration. Results are cached, and only missing results are computed.
"""

import argparse
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

# ---- Other detectors: (train, test, seed) -> scores -------------------------------------------------------------


def knn(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.knn import KNN

    return -KNN().fit(train).decision_function(test)


def lof(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.neighbors import LocalOutlierFactor

    return (
        LocalOutlierFactor(n_neighbors=min(20, len(train) - 1), novelty=True).fit(train).score_samples(test)
    )


def isolation_forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=100, random_state=seed).fit(train).score_samples(test)


def gaussian_mixture(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(5, random_state=seed).fit(train).score_samples(test)


def mahalanobis(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.covariance import EmpiricalCovariance

    return -EmpiricalCovariance().fit(train).mahalanobis(test)


def one_class_svm(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.svm import OneClassSVM

    return OneClassSVM().fit(train).score_samples(test)


def ecod(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.ecod import ECOD

    return -ECOD().fit(train).decision_function(test)


def inne(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.inne import INNE

    return -INNE(max_samples=min(256, len(train)), random_state=seed).fit(train).decision_function(test)


OTHERS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "kNN (PyOD, 5)": knn,
    "LOF (scikit-learn, 20)": lof,
    "isolation forest (scikit-learn)": isolation_forest,
    "Gaussian mixture (scikit-learn, 5)": gaussian_mixture,
    "Mahalanobis (scikit-learn)": mahalanobis,
    "one-class SVM (scikit-learn)": one_class_svm,
    "ECOD (PyOD)": ecod,
    "INNE (PyOD)": inne,
}


# ---- EnergyDetector with its defaults, and its components -------------------------------------------------------

DEFAULT = "EnergyDetector, defaults"
COMPONENTS = {
    DEFAULT: "combined",
    "its base alone": "base",
    "its denoising energy alone": "denoising",
    "its network alone": "network",
}
"""Rows of the tables, and the component of the score. The denoising energy is the sum of base and network."""


def energy_detector(train: np.ndarray, test: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    import torch

    from ebmood import EnergyDetector

    torch.set_num_threads(1)
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(random_state=seed).fit(train)
    scores = {name: np.empty(len(test)) for name in COMPONENTS}
    with torch.no_grad():
        for chunk in np.array_split(np.arange(len(test)), len(test) // 1024 + 1):
            rows = torch.from_numpy(test[chunk])
            components = detector.model_.component_scores(rows)
            components["network"] = network_scores(detector.model_, rows)
            for name, component in COMPONENTS.items():
                scores[name][chunk] = components[component].numpy()
    assert np.allclose(scores[DEFAULT], detector.score_samples(test), atol=1e-6)
    return scores


def network_scores(model, rows):
    """Return the network's contribution to the score, with the weights of the levels: `(N, D) -> (N,)`."""
    base, denoising = model.energies(model.columns(rows)).chunk(2)
    return -((denoising - base) / model.z_scale.chunk(2)[1][:, None]).mean(0)


# ---- Results ----------------------------------------------------------------------------------------------------


def half_split(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows (half of the normal rows), test rows, and which test rows are anomalies."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train, rest = np.split(normal, [len(normal) // 2])
    test = np.concatenate([rest, np.flatnonzero(y == 1)])
    return x[train], x[test], y[test]


def evaluate(detector: str, train: np.ndarray, test: np.ndarray, y: np.ndarray, seed: int) -> list[dict]:
    """Return one result for each row of the tables and each kind of input."""
    results = []
    start = time.process_time()
    if detector == DEFAULT:
        for name, scores in energy_detector(train, test, seed).items():
            results.append({"row": name, "input": "raw", **metrics(scores, y)})
        runs = 1
    else:
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        deviation[deviation == 0] = 1
        inputs = {"raw": (0.0, 1.0), "standardised": (mean, deviation)}
        for name, (center, scale) in inputs.items():
            with warnings.catch_warnings(action="ignore"):
                scores = OTHERS[detector]((train - center) / scale, (test - center) / scale, seed)
            results.append({"row": detector, "input": name, **metrics(scores, y)})
        runs = len(inputs)
    seconds = (time.process_time() - start) / runs
    return [{**result, "seconds": seconds} for result in results]


def metrics(scores: np.ndarray, y: np.ndarray) -> dict[str, float]:
    return {
        "auroc": float(roc_auc_score(y, -scores)),
        "aucpr": float(average_precision_score(y, -scores)),
    }


def code_version(detector: str) -> str:
    """Return a digest of the package's code for EnergyDetector, so that a change invalidates its cached results."""
    if detector != DEFAULT:
        return ""
    import ebmood

    package = Path(ebmood.__file__).parent
    folders = ("core", "detector", "models", "networks", "objectives", "training")
    files = [file for folder in folders for file in sorted((package / folder).rglob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


Table = Callable[[], tuple[np.ndarray, np.ndarray]]
"""A function that loads rows, and for each row whether it is an anomaly."""


def adbench_tables(folder: Path) -> dict[str, Table]:
    """Return ADBench's tables, the smallest first."""

    def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
        data = np.load(path, allow_pickle=False)
        return data["X"].astype(np.float64), data["y"].astype(int)

    paths = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    return {path.stem: partial(load, path) for path in paths}


def scikit_learn_tables() -> dict[str, Table]:
    """Return scikit-learn's tables with each class in turn as the anomaly: a tenth of the other rows, at least five."""
    from sklearn import datasets

    def load(source: Callable, anomaly: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = source(return_X_y=True)
        normal, anomalies = np.flatnonzero(y != anomaly), np.flatnonzero(y == anomaly)
        anomalies = np.random.default_rng(0).permutation(anomalies)[: max(5, len(normal) // 10)]
        rows = np.concatenate([normal, anomalies])
        return x[rows].astype(np.float64), (y[rows] == anomaly).astype(int)

    sources = {"iris": 3, "wine": 3, "breast_cancer": 2, "digits": 10}
    return {
        f"{name}_{anomaly}": partial(load, getattr(datasets, f"load_{name}"), anomaly)
        for name, classes in sources.items()
        for anomaly in range(classes)
    }


def run(
    sources: dict[str, Table], seeds: int, tables: list[str], detectors: list[str], cache: Path
) -> list[dict]:
    """Return all results, from the cache if they exist there."""
    cached: dict[str, list[dict]] = {}
    if cache.exists():
        for line in cache.read_text().splitlines():
            entry = json.loads(line)
            cached[entry["key"]] = entry["rows"]
    results = []
    for seed in range(seeds):
        for table in tables:
            train, test, y = half_split(*sources[table](), seed)
            for detector in detectors:
                key = f"{table}/{seed}/{detector}/{code_version(detector)}"
                if key not in cached:
                    cached[key] = evaluate(detector, train, test, y, seed)
                    with cache.open("a") as file:
                        file.write(json.dumps({"key": key, "rows": cached[key]}) + "\n")
                    print(f"{table}, seed {seed}, {detector}: {cached[key][0]['auroc']:.3f}", flush=True)
                results += [{**result, "table": table, "seed": seed} for result in cached[key]]
    return results


# ---- Tables -----------------------------------------------------------------------------------------------------


def to_array(results: list[dict], metric: str) -> tuple[list[str], list[str], np.ndarray]:
    """Return the names of rows and tables, and the metric in per cent `(rows, tables, seeds)` with the better input."""
    rows = list(dict.fromkeys(result["row"] for result in results))
    tables = list(dict.fromkeys(result["table"] for result in results))
    seeds = sorted({result["seed"] for result in results})
    values = np.full((len(rows), len(tables), len(seeds), 2), np.nan)
    for result in results:
        index = rows.index(result["row"]), tables.index(result["table"]), seeds.index(result["seed"])
        values[(*index, 0 if result["input"] == "raw" else 1)] = 100 * result[metric]
    values[..., 1] = np.where(np.isnan(values[..., 1]), values[..., 0], values[..., 1])
    better = values.mean(axis=2).argmax(axis=2)
    return rows, tables, np.take_along_axis(values, better[:, :, None, None], axis=3)[..., 0]


def interval(differences: np.ndarray) -> str:
    """Return the mean and the 95 % interval of Student's t distribution."""
    n = len(differences)
    if n < 2:
        return f"{differences.mean():+.2f}"
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return f"{differences.mean():+.2f} [{differences.mean() - half:+.2f}, {differences.mean() + half:+.2f}]"


def print_tables(results: list[dict]) -> None:
    rows, tables, auroc = to_array(results, "auroc")
    _, _, aucpr = to_array(results, "aucpr")
    print_means(results, rows, tables, auroc, aucpr)
    print("\nAUROC by table\n")
    print("| detector | " + " | ".join(tables) + " |\n| :-- |" + " --: |" * len(tables))
    for row, values in zip(rows, auroc, strict=True):
        print(f"| {row} | " + " | ".join(f"{value:.1f}" for value in values.mean(1)) + " |")
    if DEFAULT in rows:
        print_differences(rows, auroc, aucpr)


def print_means(
    results: list[dict], rows: list[str], tables: list[str], auroc: np.ndarray, aucpr: np.ndarray
) -> None:
    detectors = [row for row in rows if row in OTHERS or row == DEFAULT]
    chosen = [rows.index(row) for row in detectors]
    # The rank of each detector on every table (mean over seeds); 1 is the best.
    ranks = {
        metric: dict(zip(detectors, stats.rankdata(-values[chosen].mean(2), axis=0).mean(1), strict=True))
        for metric, values in (("auroc", auroc), ("aucpr", aucpr))
    }
    seconds = {row: np.mean([e["seconds"] for e in results if e["row"] == row]) for row in rows}
    print(f"\n{len(tables)} tables, {auroc.shape[2]} seeds; per cent; components have no rank\n")
    print("| detector | AUROC | rank | AUC-PR | rank | CPU seconds per run |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for row in sorted(rows, key=lambda row: -auroc[rows.index(row)].mean()):
        index = rows.index(row)
        rank, rank_pr = (f"{ranks[m][row]:.2f}" if row in detectors else "" for m in ("auroc", "aucpr"))
        numbers = f"{auroc[index].mean():.2f} | {rank} | {aucpr[index].mean():.2f} | {rank_pr}"
        print(f"| {row} | {numbers} | {seconds[row]:.2f} |")


def print_differences(rows: list[str], auroc: np.ndarray, aucpr: np.ndarray) -> None:
    default = rows.index(DEFAULT)
    print("\nEnergyDetector minus each other row: means of paired differences and their 95 % intervals")
    print("(over tables: would other tables agree? over seeds: would other splits of these tables agree?)\n")
    print("| minus | AUROC, over tables | AUROC, over seeds | AUC-PR, over tables | AUC-PR, over seeds |")
    print("| :-- | --: | --: | --: | --: |")
    for index, row in enumerate(rows):
        if index != default:
            cells = [
                interval((values[default] - values[index]).mean(axis))
                for values in (auroc, aucpr)
                for axis in (1, 0)
            ]
            print(f"| {row} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="ADBench's .npz files")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", nargs="*", help="names of tables (all)")
    parser.add_argument("--detectors", nargs="*", choices=[DEFAULT, *OTHERS], default=[DEFAULT, *OTHERS])
    parser.add_argument(
        "--cache", type=Path, default=Path("adbench-cells.jsonl"), help="file of cached results (%(default)s)"
    )
    arguments = parser.parse_args()
    sources = scikit_learn_tables() if arguments.folder is None else adbench_tables(arguments.folder)
    tables = arguments.tables or list(sources)
    unknown = [table for table in tables if table not in sources]
    if unknown:
        parser.error(f"no table {unknown[0]!r}; the tables are: {', '.join(sources) or 'none'}")
    start = time.perf_counter()
    print_tables(run(sources, arguments.seeds, tables, arguments.detectors, arguments.cache))
    print(f"\n{time.perf_counter() - start:.0f} s, without cached results")


if __name__ == "__main__":
    main()
