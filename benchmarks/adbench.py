"""Which detector finds the anomalies of tables that nobody tuned it for.

    python benchmarks/adbench.py FOLDER [--seeds 10] [--cache FILE] [--tables GLASS ...] [--detectors kNN ...]
    python benchmarks/adbench.py [--seeds 3] ...

FOLDER holds ADBench's `.npz` files (`X`; `y`, where 1 is an anomaly; https://github.com/Minqi824/ADBench). Without it,
tables are scikit-learn's, each class held out in turn, at most a tenth as many rows of which are the anomalies. For
every table and seed, every detector is fitted on a random half of the normal rows and tested on the other half and the
anomalies. Rivals run twice, on raw and on standardised columns, and on every table the better of the two counts, for
each metric apart: a choice that only the labels can make, and that ours is not given. Ours runs as it ships, with a
fifth of its training rows kept away for calibration. Cells are kept in the cache, and only missing ones are run.
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
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

if TYPE_CHECKING:
    from torch import Tensor

    from ebmood.detector.score_model import ScoreModel

Scores = dict[str, np.ndarray]
"""Scores of the test rows by the name of the detector; higher is more in-distribution."""


# ---- Rivals: (train, test, seed) -> scores ----------------------------------------------------------------------


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


RIVALS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "kNN (PyOD, 5)": knn,
    "LOF (scikit-learn, 20)": lof,
    "isolation forest (scikit-learn)": isolation_forest,
    "Gaussian mixture (scikit-learn, 5)": gaussian_mixture,
    "Mahalanobis (scikit-learn)": mahalanobis,
    "one-class SVM (scikit-learn)": one_class_svm,
    "ECOD (PyOD)": ecod,
    "INNE (PyOD)": inne,
}


# ---- Ours, as it ships ------------------------------------------------------------------------------------------

OURS = {
    "EnergyDetector, as it ships": "combined",
    "its base alone": "base",
    "its denoising energy alone": "denoising",
    "its network alone": "network",
}
"""Rows of ours, and the part of the score that each is. The denoising energy is the network on top of the base."""

SHIPS = next(iter(OURS))


def ours(train: np.ndarray, test: np.ndarray, seed: int) -> Scores:
    import torch

    from ebmood import EnergyDetector

    torch.set_num_threads(1)
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(random_state=seed).fit(train)
    scores = {name: np.empty(len(test)) for name in OURS}
    with torch.no_grad():
        for at in np.array_split(np.arange(len(test)), len(test) // 1024 + 1):
            rows = torch.from_numpy(test[at])
            parts = detector.model_.component_scores(rows) | {"network": network_alone(detector.model_, rows)}
            for name, part in OURS.items():
                scores[name][at] = parts[part].numpy()
    assert np.allclose(scores[SHIPS], detector.score_samples(test), atol=1e-6), (
        "parts and score_samples disagree"
    )
    return scores


def network_alone(model: "ScoreModel", rows: "Tensor") -> "Tensor":
    """What the network adds to the base, in the weights that the levels have in the score: `(N, D) -> (N,)`."""
    base, denoising = model.energies(model.columns(rows)).chunk(2)
    return -((denoising - base) / model.z_scale.chunk(2)[1][:, None]).mean(0)


# ---- Cells ------------------------------------------------------------------------------------------------------


def half_split(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training rows (half of the normal ones), test rows, and which of these are anomalies."""
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    train, rest = np.split(normal, [len(normal) // 2])
    test = np.concatenate([rest, np.flatnonzero(y == 1)])
    return x[train], x[test], y[test]


def run_cell(detector: str, train: np.ndarray, test: np.ndarray, y: np.ndarray, seed: int) -> list[dict]:
    """One entry for every row of the tables that the detector fills, and for every kind of input."""
    found = []
    if detector == SHIPS:
        start = time.process_time()
        for name, scores in ours(train, test, seed).items():
            found.append({"row": name, "input": "raw", "scores": scores})
        seconds = time.process_time() - start
    else:
        mean, spread = train.mean(axis=0), train.std(axis=0)
        spread[spread == 0] = 1
        start = time.process_time()
        for kind, center, scale in (("raw", 0.0, 1.0), ("standardised", mean, spread)):
            with warnings.catch_warnings(action="ignore"):
                scores = RIVALS[detector]((train - center) / scale, (test - center) / scale, seed)
            found.append({"row": detector, "input": kind, "scores": scores})
        seconds = (time.process_time() - start) / 2
    for entry in found:
        outlying = -entry.pop("scores")
        entry["auroc"] = float(roc_auc_score(y, outlying))
        entry["aucpr"] = float(average_precision_score(y, outlying))
        entry["seconds"] = seconds
    return found


def version_of(detector: str) -> str:
    """What a kept cell of ours depends on: the code and the defaults. Rivals are kept by their name."""
    if detector != SHIPS:
        return ""
    import ebmood

    package = Path(ebmood.__file__).parent
    files = [
        package / "detector" / "score_model.py",
        package / "detector" / "robust_scaler.py",
        *sorted((package / "models").glob("*.py")),
    ]
    files += [*sorted((package / "objectives").glob("*.py")), *sorted((package / "training").glob("*.py"))]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


Table = Callable[[], tuple[np.ndarray, np.ndarray]]
"""How to get rows, and which of them are anomalies."""


def files(folder: Path) -> dict[str, Table]:
    """ADBench's tables, the smallest first."""

    def load(path: Path) -> tuple[np.ndarray, np.ndarray]:
        data = np.load(path, allow_pickle=False)
        return data["X"].astype(np.float64), data["y"].astype(int)

    paths = sorted(folder.glob("*.npz"), key=lambda path: path.stat().st_size)
    return {path.stem: partial(load, path) for path in paths}


def held_out_classes() -> dict[str, Table]:
    """scikit-learn's tables, each class in turn the anomalies: as many as a tenth of the others, and five at least."""
    from sklearn import datasets

    def load(source: Callable, held_out: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = source(return_X_y=True)
        normal, others = np.flatnonzero(y != held_out), np.flatnonzero(y == held_out)
        few = np.random.default_rng(0).permutation(others)[: max(5, len(normal) // 10)]
        rows = np.concatenate([normal, few])
        return x[rows].astype(np.float64), (y[rows] == held_out).astype(int)

    sources = {"iris": 3, "wine": 3, "breast_cancer": 2, "digits": 10}
    return {
        f"{name}_{held_out}": partial(load, getattr(datasets, f"load_{name}"), held_out)
        for name, classes in sources.items()
        for held_out in range(classes)
    }


def run(
    every: dict[str, Table], seeds: int, tables: list[str], detectors: list[str], cache: Path
) -> list[dict]:
    """All cells, from the cache where it has them."""
    kept: dict[str, list[dict]] = {}
    if cache.exists():
        for line in cache.read_text().splitlines():
            cell = json.loads(line)
            kept[cell["key"]] = cell["rows"]
    entries = []
    for seed in range(seeds):
        for name in tables:
            train, test, y = half_split(*every[name](), seed)
            for detector in detectors:
                key = f"{name}/{seed}/{detector}/{version_of(detector)}"
                if key not in kept:
                    kept[key] = run_cell(detector, train, test, y, seed)
                    with cache.open("a") as file:
                        file.write(json.dumps({"key": key, "rows": kept[key]}) + "\n")
                    print(f"{name}, seed {seed}, {detector}: {kept[key][0]['auroc']:.3f}", flush=True)
                entries += [{**entry, "table": name, "seed": seed} for entry in kept[key]]
    return entries


# ---- Tables -----------------------------------------------------------------------------------------------------


def cube(entries: list[dict], metric: str) -> tuple[list[str], list[str], np.ndarray]:
    """Names of rows and tables, and the metric in per cent `(rows, tables, seeds)`, the better input taken."""
    rows = list(dict.fromkeys(entry["row"] for entry in entries))
    tables = list(dict.fromkeys(entry["table"] for entry in entries))
    seeds = sorted({entry["seed"] for entry in entries})
    values = np.full((len(rows), len(tables), len(seeds), 2), np.nan)
    for entry in entries:
        at = rows.index(entry["row"]), tables.index(entry["table"]), seeds.index(entry["seed"])
        values[(*at, 0 if entry["input"] == "raw" else 1)] = 100 * entry[metric]
    values[..., 1] = np.where(np.isnan(values[..., 1]), values[..., 0], values[..., 1])
    better = values.mean(axis=2).argmax(axis=2)
    return rows, tables, np.take_along_axis(values, better[:, :, None, None], axis=3)[..., 0]


def interval(differences: np.ndarray) -> str:
    """Mean and Student-t 95 % interval."""
    n = len(differences)
    if n < 2:
        return f"{differences.mean():+.2f}"
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return f"{differences.mean():+.2f} [{differences.mean() - half:+.2f}, {differences.mean() + half:+.2f}]"


def print_tables(entries: list[dict]) -> None:
    _, tables, auroc = cube(entries, "auroc")
    rows, _, aucpr = cube(entries, "aucpr")
    contestants = [row for row in rows if row in RIVALS or row == SHIPS]
    chosen = [rows.index(row) for row in contestants]
    # The rank of each contestant on every table (mean over seeds), 1 is best.
    ranks = {
        metric: dict(zip(contestants, stats.rankdata(-values[chosen].mean(2), axis=0).mean(1), strict=True))
        for metric, values in (("auroc", auroc), ("aucpr", aucpr))
    }
    seconds = {row: np.mean([e["seconds"] for e in entries if e["row"] == row]) for row in rows}
    print(f"\n{len(tables)} tables, {auroc.shape[2]} seeds; per cent; ranks among the contestants alone\n")
    print(
        "| detector | AUROC | rank | AUC-PR | rank | CPU seconds a cell |\n| :-- | --: | --: | --: | --: | --: |"
    )
    for row in sorted(rows, key=lambda row: -auroc[rows.index(row)].mean()):
        at = rows.index(row)
        rank, rank_pr = (f"{ranks[m][row]:.2f}" if row in contestants else "" for m in ("auroc", "aucpr"))
        numbers = f"{auroc[at].mean():.2f} | {rank} | {aucpr[at].mean():.2f} | {rank_pr} | {seconds[row]:.2f}"
        print(f"| {row} | {numbers} |")
    print("\nAUROC by table\n")
    print("| detector | " + " | ".join(tables) + " |\n| :-- |" + " --: |" * len(tables))
    for at, row in enumerate(rows):
        print(f"| {row} | " + " | ".join(f"{value:.1f}" for value in auroc[at].mean(1)) + " |")
    if SHIPS not in rows:
        return
    us = rows.index(SHIPS)
    print(
        "\nOurs minus each, paired: mean and 95 % interval, over tables (would other tables agree?) and over seeds"
    )
    print("(would other splits of these tables?)\n")
    print("| minus | AUROC, over tables | AUROC, over seeds | AUC-PR, over tables | AUC-PR, over seeds |")
    print("| :-- | --: | --: | --: | --: |")
    for at, row in enumerate(rows):
        if at != us:
            cells = [interval((v[us] - v[at]).mean(axis)) for v in (auroc, aucpr) for axis in (1, 0)]
            print(f"| {row} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", help="ADBench's .npz files")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--tables", nargs="*", help="names of files without .npz (all)")
    parser.add_argument("--detectors", nargs="*", choices=[SHIPS, *RIVALS], default=[SHIPS, *RIVALS])
    parser.add_argument(
        "--cache", type=Path, default=Path("adbench-cells.jsonl"), help="finished cells (%(default)s)"
    )
    choice = parser.parse_args()
    every = held_out_classes() if choice.folder is None else files(choice.folder)
    start = time.perf_counter()
    tables = choice.tables or list(every)
    print_tables(run(every, choice.seeds, tables, choice.detectors, choice.cache))
    print(f"\n{time.perf_counter() - start:.0f} s, with what the cache held")


if __name__ == "__main__":
    main()
