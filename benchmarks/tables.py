"""Compare outlier detectors on tables that nobody tuned them for.

    python benchmarks/tables.py --tables FOLDER --adbench FOLDER --embeddings FOLDER --pixels FOLDER [--splits 5]
    python benchmarks/tables.py --tables FOLDER --halvings 20 [--fast]
    python benchmarks/tables.py --adbench FOLDER --protocol dte --published FOLDER

The suites are: one-class tables (`.npz` files with `train`, `test` and `y`; OddBench and OvRBench), tables and
embeddings in ADBench's format (`X` and `y`), held-out classes of scikit-learn's tables, which need no folder, and with
`--pixels` images as tables. All detectors are fitted on normal rows only. The rivals are in `table_rivals.py`. Results
are cached, and only missing ones are computed.

With `--halvings`, settings of EnergyDetector, or with `--fast` those of `speed="fast"`, are chosen on a random half of
the one-class tables and confirmed on the other half. With `--protocol dte`, training rows are the first half of the
normal rows in file order, as in "On Diffusion Modeling for Anomaly Detection" (Livernoche et al. 2024), and the
published results are printed beside.
"""

import argparse
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score
from table_rivals import KNN, RIVALS, flags_at_5_percent
from table_suites import Task, adbench, held_out_classes, one_class_tables, pixels, published_protocol

Result = dict[str, float]

DEFAULT = "EnergyDetector"
VARIANTS = {
    DEFAULT: {},
    "EnergyDetector, loo": {"calibration": "loo"},
    "EnergyDetector, fast": {"speed": "fast"},
    "EnergyDetector, prototypes": {"memory": "prototypes"},
}
"""Parameters of EnergyDetector by the name of the row."""


def energy_detector(**parameters) -> Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]:
    def run(train: np.ndarray, test: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        import torch

        from ebmood import EnergyDetector

        torch.set_num_threads(1)
        with warnings.catch_warnings(action="ignore"):
            batch = EnergyDetector(random_state=seed, **parameters).fit(train).score_batch(test)
        return -batch.scores, batch.flags

    return run


def candidates() -> dict[str, dict]:
    """Return the settings among which the halvings choose, as keyword arguments of EnergySettings."""
    views = {
        "4 views": ("min-max", "robust", "normal-scores", "whitened-normal-scores", "raw"),
        "7 views": (
            "standardised",
            "min-max",
            "robust",
            "normal-scores",
            "whitened",
            "whitened-normal-scores",
            "raw",
        ),
        "3 views": ("standardised", "normal-scores", "whitened-normal-scores", "raw"),
        "2 views": ("min-max", "whitened-normal-scores", "raw"),
    }
    settings = {name: {"views": names} for name, names in views.items()}
    base = {"views": views["4 views"]}
    for key, values in {
        "bandwidth": (0.3, 0.55),
        "neighbours": (3, 8),
    }.items():
        for value in values:
            settings[f"{key} {value}"] = base | {"memory": {key: value}}
    for deciding in (1, 4):
        settings[f"deciding {deciding}"] = base | {"deciding": deciding}
    settings["no residuals"] = base | {"residuals": None}
    return settings


def fast_candidates() -> dict[str, dict]:
    """Return the settings among which the halvings of `--fast` choose, as changes of those of `speed="fast"`."""
    return {
        "fast": {},
        "fast, 128 clusters": {"clusters": 128},
        "fast, ranks not whitened": {"views": ("min-max", "normal-scores", "raw")},
        "fast, robust columns": {"views": ("robust", "whitened-normal-scores", "raw")},
        "fast, neighbours 3": {"memory": {"neighbours": 3}},
        "fast, neighbours 5": {"memory": {"neighbours": 5}},
        "fast, bandwidth 0.3": {"memory": {"neighbours": 2, "bandwidth": 0.3}},
        "fast, deciding 1": {"deciding": 1},
        "fast, no residuals": {"residuals": None},
        "512 rows, 2 views": {"clusters": None, "rows": 512, "memory": {}, "deciding": 2},
    }


def detectors(names: Iterable[str]) -> dict[str, Callable]:
    from ebmood import EnergySettings
    from ebmood.detector.energy.score_model import SPEEDS

    fast = SPEEDS["fast"].model_dump()
    settings = candidates() | {name: fast | changes for name, changes in fast_candidates().items()}
    found: dict[str, Callable] = {}
    for name in names:
        if name in VARIANTS:
            found[name] = energy_detector(**VARIANTS[name])
        elif name in RIVALS:
            found[name] = lambda train, test, seed, name=name: flags_at_5_percent(
                RIVALS[name], train, test, seed
            )
        else:
            energy = EnergySettings.model_validate(settings[name])
            found[name] = energy_detector(energy=energy)
    return found


# ---- Results ----------------------------------------------------------------------------------------------------


def code_version(detector: str) -> str:
    """Return a digest of the code of the package, so that a change invalidates the cached results of EnergyDetector."""
    if detector in RIVALS:
        return ""
    import ebmood

    package = Path(ebmood.__file__).parent
    files = [
        file for folder in ("core", "detector", "models") for file in sorted((package / folder).rglob("*.py"))
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def evaluate(run: Callable, task: Task) -> Result:
    train, test, y = task.load()
    start = time.process_time()
    scores, flags = run(train, test, task.split)
    seconds = time.process_time() - start
    return {
        "auroc": 100 * float(roc_auc_score(y, scores)),
        "aucpr": 100 * float(average_precision_score(y, scores)),
        "found": 100 * float(flags[y == 1].mean()),
        "false": 100 * float(flags[y == 0].mean()),
        "seconds": seconds,
    }


def compute(tasks: list[Task], names: list[str], cache: Path) -> dict[tuple[str, str], dict[str, Result]]:
    """Return results by suite and detector, then by table (means over splits)."""
    cached: dict[str, Result] = {}
    if cache.exists():
        cached = {e["key"]: e["result"] for e in map(json.loads, cache.read_text().splitlines())}
    versions = {name: code_version(name) for name in names}
    runs = detectors(names)
    results: dict[tuple[str, str], dict[str, list[Result]]] = {}
    for number, task in enumerate(tasks):
        for name in names:
            key = "/".join((task.suite, task.table, str(task.split), name, versions[name]))
            if key not in cached:
                cached[key] = evaluate(runs[name], task)
                with cache.open("a") as file:
                    file.write(json.dumps({"key": key, "result": cached[key]}) + "\n")
                print(f"[{number + 1}/{len(tasks)}] {key}: {cached[key]['auroc']:.1f}", flush=True)
            results.setdefault((task.suite, name), {}).setdefault(task.table, []).append(cached[key])
    return {
        pair: {
            table: {field: float(np.mean([run[field] for run in runs_])) for field in runs_[0]}
            for table, runs_ in tables.items()
        }
        for pair, tables in results.items()
    }


def column(results: dict[str, Result], field: str) -> np.ndarray:
    return np.array([result[field] for result in results.values()])


def interval(differences: np.ndarray) -> str:
    """Return the mean and the half-width of the 95 % interval of Student's t distribution."""
    n = len(differences)
    if n < 2:
        return f"{differences.mean():+.1f}"
    half = stats.t.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    return f"{differences.mean():+.2f} ± {half:.2f}"


def print_suite(suite: str, results: dict[tuple[str, str], dict[str, Result]], names: list[str]) -> None:
    rows = [name for name in names if (suite, name) in results]
    fields = {field: np.array([column(results[suite, name], field) for name in rows]) for field in FIELDS}
    ranks = {field: stats.rankdata(-fields[field], axis=0).mean(axis=1) for field in ("auroc", "aucpr")}
    print(f"\n### {suite}: {fields['auroc'].shape[1]} tables\n")
    print(
        "| detector | AUROC | rank | AUC-PR | rank | ours minus it, AUROC | AUC-PR | outliers flagged | false alarms "
        "| seconds |"
    )
    print("| :-- |" + " --: |" * 9)
    ours = rows.index(DEFAULT) if DEFAULT in rows else 0
    for i in np.argsort(-fields["auroc"].mean(axis=1)):
        differences = [
            "" if i == ours else interval(fields[field][ours] - fields[field][i])
            for field in ("auroc", "aucpr")
        ]
        means = {field: fields[field][i].mean() for field in FIELDS}
        print(
            f"| {rows[i]} | {means['auroc']:.1f} | {ranks['auroc'][i]:.2f} | {means['aucpr']:.1f} "
            f"| {ranks['aucpr'][i]:.2f} | {differences[0]} | {differences[1]} | {means['found']:.1f} | "
            f"{means['false']:.1f} | {means['seconds']:.2f} |"
        )


FIELDS = ("auroc", "aucpr", "found", "false", "seconds")


def print_halvings(
    results: dict[tuple[str, str], dict[str, Result]], settings: list[str], base_name: str, halvings: int
) -> None:
    """Choose settings on random halves of the tables, and print the confirming differences to another detector."""
    base = {field: column(results["tables", base_name], field) for field in ("auroc", "aucpr")}
    gains = np.array(
        [[column(results["tables", name], f) - base[f] for f in ("auroc", "aucpr")] for name in settings]
    )  # (settings, metrics, tables)
    print(f"\n| settings | minus {base_name}, AUROC | AUC-PR | chosen |\n| :-- | --: | --: | --: |")
    rng, confirmed, chosen = np.random.default_rng(0), [], []
    tables = gains.shape[2]
    for _ in range(halvings):
        order = rng.permutation(tables)
        first, second = order[: tables // 2], order[tables // 2 :]
        best = int(gains[:, :, first].mean(axis=2).sum(axis=1).argmax())
        chosen.append(best)
        confirmed.append(gains[best][:, second].mean(axis=1))
    for i, name in enumerate(settings):
        print(f"| {name} | {interval(gains[i, 0])} | {interval(gains[i, 1])} | {chosen.count(i)} |")
    means = np.array(confirmed)
    print(
        f"\nMean of {halvings} confirming halves: {means[:, 0].mean():+.2f} AUROC (from {means[:, 0].min():+.2f} to "
        f"{means[:, 0].max():+.2f}), {means[:, 1].mean():+.2f} AUC-PR (from {means[:, 1].min():+.2f} to "
        f"{means[:, 1].max():+.2f})."
    )


PUBLISHED_NAMES = {"magic.gamma": "MAGIC.gamma"}


def print_published(
    results: dict[tuple[str, str], dict[str, Result]], names: list[str], folder: Path
) -> None:
    """Print our results among the published ones, on the tables that both have."""
    for field, file in (("auroc", "dte_semi_auroc.csv"), ("aucpr", "dte_semi_aucpr.csv")):
        head, *lines = [line.split(",") for line in (folder / file).read_text().splitlines()]
        theirs = {line[0].lower(): dict(zip(head[1:], map(float, line[1:]), strict=True)) for line in lines}
        tables = {
            table: table.split("_", 1)[1].lower()
            for table in results["published", names[0]]
            if table.split("_", 1)[1].lower() in theirs
        }
        means = {f"{m} (published)": np.mean([theirs[t][m] for t in tables.values()]) for m in head[1:]}
        means |= {name: np.mean([results["published", name][t][field] for t in tables]) for name in names}
        print(
            f"\n### Published protocol, {field}: mean of {len(tables)} tables\n\n| detector | mean |\n| :-- | --: |"
        )
        for name, mean in sorted(means.items(), key=lambda item: -item[1]):
            print(f"| {name} | {mean:.2f} |")
        print(f"\n| table | kNN, published | kNN, ours | {DEFAULT} |\n| :-- | --: | --: | --: |")
        knn = "KNN" if "KNN" in head else "kNN"
        for table, name in tables.items():
            mine = [results["published", row][table][field] for row in (KNN, DEFAULT)]
            print(f"| {name} | {theirs[name][knn]:.2f} | {mine[0]:.2f} | {mine[1]:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=Path, metavar="FOLDER", help="one-class tables")
    parser.add_argument("--adbench", type=Path, metavar="FOLDER", help="tables in ADBench's format")
    parser.add_argument("--embeddings", type=Path, metavar="FOLDER", help="embeddings in ADBench's format")
    parser.add_argument("--pixels", type=Path, metavar="FOLDER", help="IDX files of FashionMNIST and MNIST")
    parser.add_argument("--published", type=Path, metavar="FOLDER", help="tables of published results")
    parser.add_argument("--splits", type=int, default=5, help="random splits of each table (%(default)s)")
    parser.add_argument("--halvings", type=int, help="choose settings on this many random halves")
    parser.add_argument("--fast", action="store_true", help="choose among settings of speed='fast'")
    parser.add_argument("--protocol", choices=["dte"])
    parser.add_argument("--detectors", nargs="*", default=[*VARIANTS, *RIVALS])
    parser.add_argument("--cache", type=Path, default=Path("tables-cells.jsonl"), help="(%(default)s)")
    arguments = parser.parse_args()
    names = arguments.detectors
    if arguments.protocol:
        results = compute(list(published_protocol(arguments.adbench)), names, arguments.cache)
        print_published(results, names, arguments.published)
        return
    tasks: list[Task] = list(one_class_tables(arguments.tables)) if arguments.tables else []
    if arguments.halvings:
        base = DEFAULT if arguments.fast else KNN
        settings = list(fast_candidates() if arguments.fast else candidates())
        print_halvings(compute(tasks, [base, *settings], arguments.cache), settings, base, arguments.halvings)
        return
    for folder, suite in ((arguments.adbench, "adbench"), (arguments.embeddings, "embeddings")):
        tasks += list(adbench(folder, suite, arguments.splits)) if folder else []
    tasks += list(held_out_classes(arguments.splits))
    tasks += list(pixels(arguments.pixels, arguments.splits)) if arguments.pixels else []
    results = compute(tasks, names, arguments.cache)
    for suite in dict.fromkeys(task.suite for task in tasks):
        print_suite(suite, results, names)


if __name__ == "__main__":
    main()
