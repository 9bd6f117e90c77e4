"""Compare outlier detectors on features of images and texts.

    python benchmarks/embeddings.py FOLDER [--splits 5] [--cache FILE] [--detectors NAME ...] [--halvings 50]

FOLDER holds tables in ADBench's format: `.npz` files with `X` and `y`, which is 1 for outliers. Tables for development
are made by `benchmarks/embedding_tables.py`. A random half of the normal rows trains, and the other half is tested with
all outliers. Results are cached, and only missing ones are computed. The tables are printed as Markdown.

With `--halvings`, the rule of the default is compared with the views of ordinary tables on random halves of the tables:
the better of both on one half is measured on the other half.
"""

import argparse
import os
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from table_rivals import RIVALS, Rival, standardised
from table_suites import Task, adbench
from tables import code_version

ORDINARY = ("min-max", "robust", "normal-scores", "whitened-normal-scores", "raw")
DEFAULT, EARLIER = "EnergyDetector", "EnergyDetector, views of ordinary tables"
OURS: dict[str, dict] = {
    DEFAULT: {},
    "EnergyDetector, loo": {"calibration": "loo"},
    EARLIER: {"views": ORDINARY},
    "EnergyDetector, whitened-raw alone": {"views": ("whitened-raw",)},
    "EnergyDetector, whitened-unit-length alone": {"views": ("whitened-unit-length",)},
    "EnergyDetector, with unit-length": {"views": ("whitened-raw", "whitened-unit-length", "unit-length")},
}
"""Parameters of EnergyDetector, or the views of its energy, by the name of the row."""


def cosine(rival: Rival) -> Rival:
    """Return the rival on rows of unit length, whose squared distances are `2 - 2 cos`."""

    def unit(x: np.ndarray) -> np.ndarray:
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    return lambda train, test, seed: rival(unit(train), unit(test), seed)


def neighbours(k: int) -> Rival:
    def run(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.neighbors import NearestNeighbors

        return NearestNeighbors(n_neighbors=min(k, len(train))).fit(train).kneighbors(test)[0][:, -1]

    return run


def ledoit_wolf(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Return Mahalanobis distances with the shrinkage of Ledoit and Wolf (2004)."""
    from sklearn.covariance import LedoitWolf

    return LedoitWolf().fit(train).mahalanobis(test)


def residual(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    """Return the norm outside the principal axes of 90 % of the variance, as the residual of ViM (Wang et al. 2022)."""
    mean = train.mean(axis=0)
    _, lengths, axes = np.linalg.svd(train - mean, full_matrices=False)
    explained = np.cumsum(lengths**2) / np.sum(lengths**2)
    axes = axes[: int(np.searchsorted(explained, 0.9)) + 1]
    centred = test - mean
    return np.linalg.norm(centred - centred @ axes.T @ axes, axis=1)


def rivals() -> dict[str, Rival]:
    found: dict[str, Rival] = {}
    for k in (1, 5, 10):
        found |= {
            f"kNN, k={k}, raw": neighbours(k),
            f"kNN, k={k}, standardised": standardised(neighbours(k)),
            f"kNN, k={k}, cosine": cosine(neighbours(k)),
        }
    lof = RIVALS["LOF"]  # standardises
    from table_rivals import lof as raw_lof

    return found | {
        "Mahalanobis, shrunken": ledoit_wolf,
        "Mahalanobis, shrunken, standardised": standardised(ledoit_wolf),
        "Mahalanobis, shrunken, cosine": cosine(ledoit_wolf),
        "PCA residual": residual,
        "PCA residual, standardised": standardised(residual),
        "Gaussian mixture": RIVALS["Gaussian mixture"],
        "LOF, raw": raw_lof,
        "LOF, standardised": lof,
        "LOF, cosine": cosine(raw_lof),
        "one-class SVM": RIVALS["one-class SVM"],
        "isolation forest": RIVALS["isolation forest"],
        "ECOD": RIVALS["ECOD"],
    }


def energy_detector(parameters: dict) -> Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, float]]:
    def run(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
        import torch

        from ebmood import EnergyDetector, EnergySettings

        torch.set_num_threads(1)
        given = dict(parameters)
        if "views" in given:
            given = {"energy": EnergySettings(views=given["views"])}
        detector = EnergyDetector(random_state=seed, **given).fit(train)
        fitted = time.process_time()
        return -detector.score_samples(test), fitted

    return run


def evaluate(name: str, task: Task) -> dict[str, float]:
    train, test, y = task.load()
    start = time.process_time()
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        if name in OURS:
            scores, fitted = energy_detector(OURS[name])(train, test, task.split)
        else:
            scores, fitted = rivals()[name](train, test, task.split), float("nan")
    end = time.process_time()
    return {
        "auroc": 100 * float(roc_auc_score(y, scores)),
        "aucpr": 100 * float(average_precision_score(y, scores)),
        "fit": fitted - start,
        "seconds": end - start,
    }


def compute(tasks: list[Task], names: list[str], cache: Path) -> dict[str, np.ndarray]:
    """Return for each detector `(tables, splits, fields)`."""
    cached = {}
    if cache.exists():
        cached = {e["key"]: e["result"] for e in map(json.loads, cache.read_text().splitlines())}
    versions = {name: code_version("") if name in OURS else "" for name in names}
    tables = list(dict.fromkeys(task.table for task in tasks))
    found = {name: np.full((len(tables), len(tasks) // len(tables), 4), np.nan) for name in names}
    for number, task in enumerate(tasks):
        for name in names:
            key = "/".join((task.suite, task.table, str(task.split), name, versions[name]))
            if key not in cached:
                cached[key] = evaluate(name, task)
                with cache.open("a") as file:
                    file.write(json.dumps({"key": key, "result": cached[key]}) + "\n")
                print(f"[{number + 1}/{len(tasks)}] {key}: {cached[key]['auroc']:.1f}", flush=True)
            result = cached[key]
            at = tables.index(task.table), task.split
            found[name][at] = [result[field] for field in ("auroc", "aucpr", "fit", "seconds")]
    return found


def with_spread(values: np.ndarray) -> str:
    """Return the mean over tables `(tables, splits)`, and the standard deviation of this mean over splits."""
    by_split = values.mean(axis=0)
    return (
        f"{by_split.mean():.1f} ± {by_split.std(ddof=1):.1f}" if len(by_split) > 1 else f"{by_split[0]:.1f}"
    )


def print_means(found: dict[str, np.ndarray], title: str) -> None:
    names = list(found)
    means = np.stack([found[name].mean(axis=1) for name in names])  # (detectors, tables, fields)
    ranked = [i for i, name in enumerate(names) if name == DEFAULT or name not in OURS]
    ranks = {
        f: dict(zip(ranked, stats.rankdata(-means[ranked, :, f], axis=0).mean(axis=1), strict=True))
        for f in (0, 1)
    }
    print(f"\n### {title}: {means.shape[1]} tables\n")
    print("| detector | AUROC | rank | AUC-PR | rank | ours minus it, AUROC | AUC-PR | seconds |")
    print("| :-- |" + " --: |" * 7)
    ours = names.index(DEFAULT)
    for i in np.argsort(-means[:, :, 0].mean(axis=1)):
        result, cells = found[names[i]], []
        for f in (0, 1):
            cells += [with_spread(result[:, :, f]), f"{ranks[f][i]:.1f}" if i in ranks[f] else ""]
        for f in (0, 1):
            difference = means[ours, :, f] - means[i, :, f]
            half = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
            cells.append("" if i == ours else f"{difference.mean():+.1f} ± {half:.1f}")
        print(f"| {names[i]} | {' | '.join(cells)} | {result[:, :, 3].mean():.2f} |")


def print_tables(found: dict[str, np.ndarray], tables: list[str]) -> None:
    """Print each table with the best rival in each column."""
    others = [name for name in found if name not in OURS]
    print("\n| table | ours, AUROC | AUC-PR | best other, AUROC | best other, AUC-PR |")
    print("| :-- | --: | --: | :-- | :-- |")
    for row, table in enumerate(tables):
        mine, best = found[DEFAULT][row].mean(axis=0), []
        for f in (0, 1):
            name = max(others, key=lambda name: found[name][row, :, f].mean())
            best.append(f"{found[name][row, :, f].mean():.1f} {name}")
        print(f"| {table} | {mine[0]:.1f} | {mine[1]:.1f} | {best[0]} | {best[1]} |")


def print_halvings(found: dict[str, np.ndarray], halvings: int) -> None:
    choices = [name for name in OURS if name in found and name != "EnergyDetector, loo"]
    means = np.stack([found[name].mean(axis=1)[:, :2] for name in choices])
    gains, rng = means - means[choices.index(EARLIER)], np.random.default_rng(0)
    chosen, confirmed = [], []
    for _ in range(halvings):
        first, second = np.array_split(rng.permutation(means.shape[1]), 2)
        best = int(gains[:, first].mean(axis=1).sum(axis=1).argmax())
        chosen.append(best)
        default = gains[choices.index(DEFAULT), second].mean(axis=0)
        confirmed.append((gains[best, second].mean(axis=0), default))
    print(f"\n| choice | gain over {EARLIER}, AUROC | AUC-PR | chosen |\n| :-- | --: | --: | --: |")
    for i, name in enumerate(choices):
        gain = gains[i].mean(axis=0)
        print(f"| {name} | {gain[0]:+.2f} | {gain[1]:+.2f} | {chosen.count(i)} |")
    for number, what in enumerate(("the chosen views", "the default")):
        values = np.array([pair[number] for pair in confirmed])
        print(
            f"\n{halvings} confirming halves, {what}: {values[:, 0].mean():+.2f} AUROC (from {values[:, 0].min():+.2f} "
            f"to {values[:, 0].max():+.2f}), {values[:, 1].mean():+.2f} AUC-PR (from {values[:, 1].min():+.2f} to "
            f"{values[:, 1].max():+.2f})."
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder of tables")
    parser.add_argument("--splits", type=int, default=5, help="random splits of each table (%(default)s)")
    parser.add_argument("--detectors", nargs="*", default=[*OURS, *rivals()])
    parser.add_argument("--cache", type=Path, default=Path("embeddings-cells.jsonl"), help="(%(default)s)")
    parser.add_argument(
        "--every", type=int, default=1, metavar="N", help="take every Nth table (%(default)s)"
    )
    parser.add_argument("--by", metavar="REGEX", help="also print means of tables by group 1 of this pattern")
    parser.add_argument("--halvings", type=int, help="confirm the rule on this many random halves")
    arguments = parser.parse_args()
    tasks = list(adbench(arguments.folder, arguments.folder.name, arguments.splits))
    tables = list(dict.fromkeys(task.table for task in tasks))[:: arguments.every]
    tasks = [task for task in tasks if task.table in tables]
    found = compute(tasks, arguments.detectors, arguments.cache)
    print_means(found, "All")
    if arguments.by:
        groups = [match.group(1) if (match := re.search(arguments.by, table)) else "" for table in tables]
        for group in dict.fromkeys(groups):
            rows = [number for number, of_table in enumerate(groups) if of_table == group]
            if len(rows) > 1:
                print_means({name: result[rows] for name, result in found.items()}, group)
    else:
        print_tables(found, tables)
    if arguments.halvings:
        print_halvings(found, arguments.halvings)


if __name__ == "__main__":
    main()
