"""Print the peak memory in KiB of a short and a long run, and of scoring few and many rows, each in a fork."""

import json
import os
import sys
from collections.abc import Callable

import numpy as np
import torch

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD
from ebmood.recipes.recipe import DensityScorer
from ebmood.samplers import SGLD
from ebmood.training import Checkpoints, MetricsFile, Training, make_fabric, train


def run(steps: int, folder: str) -> None:
    objective = CD(chain=SGLD(steps=1), buffer=500).build(EnergyModel(MLP(4, (32,), 1)), 1, (4,), 0)
    train(
        objective,
        torch.rand(500, 4),
        None,
        Training(steps=steps, batch_size=100),
        0,
        make_fabric("cpu"),
        report=MetricsFile(f"{folder}/{steps}.jsonl"),
        checkpoints=Checkpoints(f"{folder}/{steps}", steps=100),
    )


def score(rows: int) -> None:
    model = EnergyModel(MLP(8, (64,), 1))
    x = np.broadcast_to(np.float32(0.5), (rows, 8))  # uses no memory of its own
    DensityScorer(model, torch.device("cpu")).score_samples(x)


def peak(function: Callable[[], None]) -> int:
    """Return the peak memory of a forked process that calls `function`."""
    process = os.fork()
    if process == 0:
        try:
            function()
        finally:
            os._exit(0)
    _, status, usage = os.wait4(process, 0)
    assert status == 0
    return usage.ru_maxrss


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = sys.argv[1]
    peaks = {
        "run": [peak(lambda n=n: run(n, folder)) for n in (300, 300, 3000)],
        "score": [peak(lambda n=n: score(n)) for n in (20_000, 20_000, 400_000)],
    }
    print(json.dumps(peaks))
