"""False alarms of `ClassifierDetector` if it is calibrated on rows of the network's training, and on other rows.

    python benchmarks/classifier_calibration.py [--repeats 5]

A small convolutional network learns 600 digits of 8 x 8 pixels. Its detector is fitted on these rows, and on 600 other
ones; then 597 new digits are scored at alpha = 5 %. Every repeat has another split and another training.
docs/guides/classifier.md has the table.
"""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from ebmood import ClassifierDetector
from ebmood.scores import SCORES

TRAINING, HELD_OUT, CALIBRATION, EPOCHS, BATCH = 600, 600, 199, 30, 50


def trained_network(x: Tensor, y: Tensor) -> nn.Module:
    """Return a network that has learned the rows."""
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
    return network.eval()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    digits = load_digits()
    x, y = torch.from_numpy(digits.images[:, None] / 16).float(), torch.from_numpy(digits.target)
    rates = np.zeros((repeats, len(SCORES), 2))
    accuracy = []
    for seed in range(repeats):
        order = np.random.default_rng(seed).permutation(len(x))
        training, held_out, new = np.split(order, [TRAINING, TRAINING + HELD_OUT])
        torch.manual_seed(seed)
        network = trained_network(x[training], y[training])
        accuracy.append(float((network(x[new]).argmax(1) == y[new]).float().mean()))
        for k, score in enumerate(SCORES):
            for j, rows in enumerate((training, held_out)):
                detector = ClassifierDetector(
                    network, score=score, calibration=CALIBRATION, random_state=seed
                ).fit(x[rows], y[rows])
                rates[seed, k, j] = (detector.predict(x[new]) == -1).mean()
    print(f"accuracy on new rows: {np.mean(accuracy):.1%}\n")
    print("| score | flagged new rows, calibrated on training rows | calibrated on other rows |")
    print("| :-- | --: | --: |")
    means = rates.mean(0)
    for k in np.argsort(-means[:, 0], kind="stable"):
        print(f"| `{SCORES[k].kind}` | {means[k, 0]:.1%} | {means[k, 1]:.1%} |")


if __name__ == "__main__":
    main()
