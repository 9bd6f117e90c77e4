"""Other parts and weights of the joint energy, on the outputs that `classifier_outputs.py` stored.

    python benchmarks/joint_energy.py OUT

Prints the mean of near and far AUROC of each choice over all classifiers, and what a choice on random halves of the
classifiers gains on the other halves over the best single score there. docs/results/features.md has the outcome.
"""

import argparse
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from classifier_scores import ID_SETS, Stored, classifiers

from ebmood import separation
from ebmood.scores import (
    FDBD,
    GEN,
    KNN,
    NCI,
    Energy,
    MaxLogit,
    MemoryScore,
    ReAct,
    RelativeMahalanobis,
    Score,
    ViM,
)

ROWS, HALVINGS = 600, 200
SINGLE: tuple[Score, ...] = (
    ViM(),
    FDBD(),
    KNN(),
    GEN(),
    Energy(),
    MaxLogit(),
    RelativeMahalanobis(),
    ReAct(),
    NCI(),
)
SPACES = ("normalised", "whitened")
LOGITS = ("energy", "max-logit", "gen", "fdbd", "vim")
WEIGHTS = {
    "thirds": (1 / 3, 1 / 3, 1 / 3),
    "0.4 0.2 0.4": (0.4, 0.2, 0.4),
    "0.5 0.25 0.25": (0.5, 0.25, 0.25),
    "0.25 0.5 0.25": (0.25, 0.5, 0.25),
    "normalised only": (0.5, 0.0, 0.5),
    "whitened only": (0.0, 0.5, 0.5),
    "without logits": (0.5, 0.5, 0.0),
}


def auroc(inside: np.ndarray, outside: dict[str, np.ndarray]) -> float:
    """Return the mean of near and far AUROC in per cent."""
    values = {name: separation(inside, scores).auroc for name, scores in outside.items()}
    far = np.mean([value for name, value in values.items() if name != "near"])
    return 50 * (values["near"] + float(far))


def bounded(scores: np.ndarray, reference: np.ndarray) -> np.ndarray:
    low, median = np.quantile(reference, [0.05, 0.5])
    return -np.logaddexp(0, -(scores - median) / (median - low))


def evaluate(stored: Stored) -> dict[str, float]:
    """Return the AUROC of all single scores and choices on one classifier."""
    rows = stored.fit_rows("train")
    outputs = {name: stored.outputs(name, ROWS) for name in ("test", *stored.ood_sets)}
    parts, results = {}, {}
    for space in SPACES:
        state, _, held = MemoryScore(space=space).fit_with_scores(rows)
        score = MemoryScore(space=space)
        with torch.no_grad():
            scores = {name: score.score(state, of_set).numpy() for name, of_set in outputs.items()}
        results[f"memory, {space}"] = auroc(scores["test"], without_id(scores))
        parts[space] = {name: bounded(values, held.numpy()) for name, values in scores.items()}
    for score in SINGLE:
        fitted = score.fit(rows)
        scores = {name: fitted.score_samples(of_set) for name, of_set in outputs.items()}
        results[score.kind] = auroc(scores["test"], without_id(scores))
        if score.kind in LOGITS:
            held = fitted.score_samples(rows.outputs)
            parts[score.kind] = {name: bounded(values, held) for name, values in scores.items()}
    for logits in LOGITS:
        for title, weights in WEIGHTS.items():
            scores = {
                name: sum(w * parts[part][name] for w, part in zip(weights, (*SPACES, logits), strict=True))
                for name in outputs
            }
            results[f"joint: {logits}, {title}"] = auroc(scores["test"], without_id(scores))
    return results


def without_id(scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: values for name, values in scores.items() if name not in ID_SETS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = [evaluate(Stored.read(classifier)) for classifier in classifiers(parser.parse_args().out)]
    values = {name: np.array([results[name] for results in found]) for name in found[0]}
    print("| choice | mean AUROC |\n| :-- | --: |")
    for name, of_choice in sorted(values.items(), key=lambda item: -item[1].mean()):
        print(f"| {name} | {of_choice.mean():.2f} |")
    single = [score.kind for score in SINGLE]
    joint = [name for name in values if name.startswith("joint")]
    rng, chosen_gain, default_gain, chosen = np.random.default_rng(0), [], [], Counter()
    for _ in range(HALVINGS):
        choosing, confirming = np.split(rng.permutation(len(found)), 2)
        best = max(joint, key=lambda name: values[name][choosing].mean())
        rival = max(values[name][confirming].mean() for name in single)
        chosen[best] += 1
        chosen_gain.append(values[best][confirming].mean() - rival)
        default_gain.append(values["joint: energy, thirds"][confirming].mean() - rival)
    for title, gains in (("chosen on the other half", chosen_gain), ("default", default_gain)):
        print(f"{title}: {np.mean(gains):+.2f} ± {np.std(gains):.2f}, lowest {min(gains):+.2f}")
    print(chosen.most_common(5))


if __name__ == "__main__":
    main()
