"""Scores of classifiers of digits, which had no part in any choice of `ebmood.scores`.

    python benchmarks/classifier_digits.py [--repeats 10]

The convolutional network of `classifier_calibration.py` learns eight of the ten digits of scikit-learn (8 x 8 pixels).
Near OOD are the two others; far OOD are noise, shuffled pixels, negatives, blank images and digits of ten times the
contrast. Scores are fitted on 400 digits that the network has not learned. Prints the mean AUROC in per cent.
"""

import argparse

import numpy as np
import torch
from classifier_calibration import trained_network
from sklearn.datasets import load_digits

from ebmood import separation
from ebmood.networks import classifier_outputs
from ebmood.scores import SCORES, FitRows, Outputs


def far_sets(x: torch.Tensor, generator: torch.Generator) -> dict[str, torch.Tensor]:
    order = torch.rand(x.shape, generator=generator).flatten(1).argsort(1)
    return {
        "noise": torch.rand(x.shape, generator=generator),
        "shuffled": x.flatten(1).gather(1, order).reshape(x.shape),
        "negative": 1 - x,
        "blank": torch.rand(len(x), 1, 1, 1, generator=generator).expand(x.shape),
        "contrast": 10 * x,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10)
    torch.set_num_threads(1)
    digits = load_digits()
    x, y = torch.from_numpy(digits.images[:, None] / 16).float(), torch.from_numpy(digits.target)
    scores = [score for score in SCORES if not score.perturbs_input]
    results: dict[str, list[list[float]]] = {score.kind: [] for score in scores}
    names: list[str] = []
    for repeat in range(parser.parse_args().repeats):
        near = [2 * repeat % 10, (2 * repeat + 1) % 10]
        is_near = (y == near[0]) | (y == near[1])
        classes = [k for k in range(10) if k not in near]
        inside, labels = x[~is_near], torch.tensor([classes.index(int(k)) for k in y[~is_near]])
        order = torch.from_numpy(np.random.default_rng(repeat).permutation(len(inside)))
        training, held_out, new = order[:600], order[600:1000], order[1000:]
        torch.manual_seed(repeat)
        network = trained_network(inside[training], labels[training])
        head = [layer for layer in network.modules() if isinstance(layer, torch.nn.Linear)][-1]
        outputs = classifier_outputs(network)

        def of(images: torch.Tensor, outputs=outputs) -> Outputs:
            with torch.no_grad():
                features, logits = outputs(images)
            return Outputs.of_arrays(features, logits)

        held = of(inside[held_out])
        rows = FitRows.of_arrays(held.features, held.logits, labels[held_out], head.weight, head.bias)
        sets = {"near": x[is_near]} | far_sets(inside[new], torch.Generator().manual_seed(repeat))
        names = list(sets)
        for score in scores:
            fitted = score.fit(rows)
            usual = fitted.score_samples(of(inside[new]))
            aurocs = []
            for images in sets.values():
                aurocs.append(100 * separation(usual, fitted.score_samples(of(images))).auroc)
            results[score.kind].append(aurocs)
    print(f"| score | near | far | mean | {' | '.join(names[1:])} |\n| :-- |{' --: |' * (len(names) + 2)}")
    means = {kind: np.mean(values, axis=0) for kind, values in results.items()}
    for kind, m in sorted(means.items(), key=lambda item: -(item[1][0] + item[1][1:].mean())):
        cells = [m[0], m[1:].mean(), (m[0] + m[1:].mean()) / 2, *m[1:]]
        print(f"| `{kind}` | {' | '.join(f'{cell:.1f}' for cell in cells)} |")


if __name__ == "__main__":
    main()
