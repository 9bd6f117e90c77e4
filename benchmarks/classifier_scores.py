"""Compare the scores of classifiers on the outputs that `classifier_outputs.py` stored.

    python benchmarks/classifier_scores.py OUT [--data DATA] [--rows train] [--json FILE]

Every score is fitted on in-distribution rows only: those with which the network was trained (`train`, as in the
literature), or a tenth that it has not seen (`held out`). Near OOD are held-out classes; far OOD are the mean over the
other sets. The table has the mean over five runs, with AUROC and FPR95 (the fraction of OOD rows above the score that
95 % of the in-distribution test rows reach) in per cent. `odin` runs through the networks, for which DATA is needed;
that of EfficientNet changes its features, because these are the inputs of the trained part.
"""

import argparse
import json
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ebmood import separation
from ebmood.scores import SCORES, FitRows, InputScore, Outputs, Score

ID_SETS = ("train", "held out", "test")
ROWS = 1000
"""In-distribution test rows and rows of a set that are scored at most."""


@dataclass(frozen=True)
class Classifier:
    """The stored outputs of one classifier."""

    folder: Path

    @property
    def data_set(self) -> str:
        return self.folder.name.split("-")[0]

    @property
    def network(self) -> str:
        return self.folder.name.split("-")[1]

    @property
    def run(self) -> int:
        return int(self.folder.name.split("-")[2])


def classifiers(out: Path) -> list[Classifier]:
    return [Classifier(path.parent) for path in sorted(out.glob("*/outputs.npz"))]


@dataclass
class Stored:
    arrays: dict[str, np.ndarray]

    @classmethod
    def read(cls, classifier: Classifier) -> "Stored":
        with np.load(classifier.folder / "outputs.npz") as file:
            return cls(dict(file))

    def outputs(self, name: str, rows: int | None = None) -> Outputs:
        parts = (self.arrays[f"{name}/{kind}"][:rows] for kind in ("features", "logits"))
        return Outputs.of_arrays(*parts)

    def fit_rows(self, name: str) -> FitRows:
        kinds = (self.arrays[f"{name}/{kind}"] for kind in ("features", "logits", "labels"))
        return FitRows.of_arrays(*kinds, self.arrays["weight"], self.arrays["bias"])

    @property
    def ood_sets(self) -> list[str]:
        names = [key.removesuffix("/features") for key in self.arrays if key.endswith("/features")]
        return [name for name in names if name not in ID_SETS]


def evaluate(stored: Stored, score: Score, rows: str) -> dict[str, tuple[float, float]]:
    """Return AUROC and FPR95 by OOD set."""
    fitted = score.fit(stored.fit_rows(rows))
    inside = fitted.score_samples(stored.outputs("test", ROWS))
    results = {}
    for name in stored.ood_sets:
        outside = fitted.score_samples(stored.outputs(name, ROWS))
        metrics = separation(inside, outside)
        results[name] = (metrics.auroc, metrics.fpr95)
    return results


def evaluate_input_score(
    stored: Stored, score: InputScore, rows: str, classifier: Classifier, data: Path
) -> dict[str, tuple[float, float]]:
    network, inputs = _network_and_inputs(stored, rows, classifier, data)
    resolved = score.resolve(network, inputs(rows)[:1000])
    fitted = resolved.fit(stored.fit_rows(rows))

    def score_set(name: str) -> np.ndarray:
        logits = [network(resolved.perturb(network, x)).detach() for x in inputs(name)[:ROWS].split(250)]
        logits = torch.cat(logits)
        return fitted.score_samples(Outputs.of_arrays(torch.zeros(len(logits), 1), logits))

    inside = score_set("test")
    return {
        name: (metrics.auroc, metrics.fpr95)
        for name in stored.ood_sets
        for metrics in (separation(inside, score_set(name)),)
    }


def _network_and_inputs(stored: Stored, rows: str, classifier: Classifier, data: Path):
    if classifier.network == "efficientnet":
        weight, bias = (torch.from_numpy(stored.arrays[name]) for name in ("weight", "bias"))

        def linear(x: Tensor) -> Tensor:
            return x @ weight.T + bias

        return linear, lambda name: torch.from_numpy(stored.arrays[f"{name}/features"])
    from classifier_images import far_sets, load, split
    from classifier_outputs import STORED, SmallResNet, to_tensor
    from safetensors.torch import load_file

    images, far = (
        split(*load(classifier.data_set, data), classifier.run),
        far_sets(classifier.data_set, data),
    )
    network = SmallResNet(images.train.x.shape[1], int(images.train.y.max()) + 1).eval()
    network.load_state_dict(load_file(classifier.folder / "network.safetensors"))
    chosen = np.random.default_rng(classifier.run).permutation(len(images.train.x))[:STORED]
    sets = {
        "train": images.train.x[chosen],
        "held out": images.held_out.x,
        "test": images.test.x,
        "near": images.near,
    } | far
    return network, lambda name: to_tensor(sets[name][:ROWS].copy())


def near_and_far(results: dict[str, tuple[float, float]]) -> np.ndarray:
    """Return AUROC and FPR95 near, and far, in per cent: `(4,)`."""
    far = [value for name, value in results.items() if name != "near"]
    return 100 * np.concatenate([results["near"], np.mean(far, axis=0)])


def compare_on_halves(records: list[dict], ours: str = "joint", repeats: int = 200) -> None:
    """Print by how much one score is above the best of the others, which random halves of the classifiers select."""
    classifiers = sorted({(r["data_set"], r["network"], r["run"]) for r in records})
    values: dict[str, np.ndarray] = {}
    for r in records:
        of_score = values.setdefault(r["score"], np.zeros(len(classifiers)))
        near, _, far, _ = near_and_far(r["sets"])
        of_score[classifiers.index((r["data_set"], r["network"], r["run"]))] = (near + far) / 2
    others = [score for score in values if score not in (ours, "memory")]
    rng, gaps = np.random.default_rng(0), []
    for _ in range(repeats):
        chosen, confirming = np.split(rng.permutation(len(classifiers)), 2)
        best = max(others, key=lambda score: values[score][chosen].mean())
        gaps.append(values[ours][confirming].mean() - values[best][confirming].mean())
    print(
        f"\n{ours} minus the best other score of the choosing half, on the confirming half: "
        f"{np.mean(gaps):+.2f} ± {np.std(gaps):.2f} AUROC, lowest {min(gaps):+.2f}"
    )
    best = max(others, key=lambda score: values[score].mean())
    difference = values[ours] - values[best]
    error = difference.std(ddof=1) / len(difference) ** 0.5
    print(f"{ours} - {best} over {len(difference)} classifiers: {difference.mean():+.2f} ± {error:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", choices=["train", "held out"], default="train")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    records = []
    for classifier in classifiers(options.out):
        stored = Stored.read(classifier)
        for score in SCORES:
            start = time.perf_counter()
            if isinstance(score, InputScore):
                if options.data is None:
                    continue
                results = evaluate_input_score(stored, score, options.rows, classifier, options.data)
            else:
                results = evaluate(stored, score, options.rows)
            records.append(
                {
                    "data_set": classifier.data_set,
                    "network": classifier.network,
                    "run": classifier.run,
                    "accuracy": float(stored.arrays["accuracy"]),
                    "score": score.kind,
                    "sets": results,
                    "seconds": time.perf_counter() - start,
                }
            )
        print(f"{classifier.folder.name} done", flush=True)
    if options.json:
        options.json.write_text(json.dumps(records))
    print_tables(records)
    compare_on_halves(records)


def print_tables(records: list[dict]) -> None:
    groups = sorted({(record["data_set"], record["network"]) for record in records})
    scores = list(dict.fromkeys(record["score"] for record in records))
    means = {}
    for group in groups:
        members = [record for record in records if (record["data_set"], record["network"]) == group]
        accuracy = np.mean([record["accuracy"] for record in members])
        print(f"\n{' '.join(group)}: test accuracy {accuracy:.1%}\n")
        print("| score | near AUROC | near FPR95 | far AUROC | far FPR95 |\n| :-- | --: | --: | --: | --: |")
        for score in scores:
            values = np.array([near_and_far(r["sets"]) for r in members if r["score"] == score])
            means[group, score] = values.mean(0)
            spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(4)
            cells = (f"{m:.1f} ± {s:.1f}" for m, s in zip(values.mean(0), spread, strict=True))
            print(f"| {score} | {' | '.join(cells)} |")
    print("\nMean over data sets and networks\n")
    print("| score | near AUROC | far AUROC | mean AUROC | mean FPR95 |\n| :-- | --: | --: | --: | --: |")
    overall = {score: np.mean([means[group, score] for group in groups], axis=0) for score in scores}
    for score, m in sorted(overall.items(), key=lambda item: -(item[1][0] + item[1][2])):
        print(f"| {score} | {m[0]:.2f} | {m[2]:.2f} | {(m[0] + m[2]) / 2:.2f} | {(m[1] + m[3]) / 2:.2f} |")


if __name__ == "__main__":
    main()
