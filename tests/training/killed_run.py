"""Kills training runs at random moments and lets them go on: `python killed_run.py FOLDER KILLS`.

For each method it leaves FOLDER/METHOD/{whole,killed}.json, with digests of what the run gave, and prints one
line of JSON. Runs are forks of this process, so that torch is imported once.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
import warnings
from pathlib import Path

import torch

from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, AdamW, Likelihood, Objective, Supervised
from ebmood.samplers import SGLD
from ebmood.training import BestState, Checkpoints, MetricsFile, Progress, Training, make_fabric, train

X = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(200) % 3
STEPS = 240
METHODS = ("ssm", "cd", "vera", "flow", "healed")


def start(method: str) -> Objective:
    torch.manual_seed(0)
    if method == "flow":
        return Likelihood().start(RadialFlow(3, 4), 1, (3,), 0)
    model = EnergyModel(MLP(3, (16, 16), 3 if method == "cd" else 1, "silu"))
    if method == "ssm":
        return SSM().start(model, 1, (3,), 0)
    if method == "vera":
        return VERA(hidden=(16,), posterior_samples=4).start(model, 1, (3,), 0)
    if method == "cd":
        return Supervised(
            CD(chain=SGLD(steps=4), buffer=60, class_conditional=True).start(model, 3, (3,), 0), 1.0
        )
    explosive = CD(chain=SGLD(steps=5, step_size=30), buffer=60, penalty=0, optimiser=AdamW(lr=0.01))
    return explosive.start(model, 1, (3,), 0)


def run(method: str, result: Path, checkpoints: Path | None) -> None:
    """Train, and leave digests of all that training gave in `result`."""
    objective = start(method)
    hooks = []
    if method == "flow":
        hooks = [BestState(objective, lambda: -float(objective.validation_loss(X[:40])), 2, 60)]
    metrics = None
    if checkpoints is not None:
        metrics = MetricsFile(checkpoints / "metrics.jsonl", goes_on=bool(list(checkpoints.glob("*.json"))))
    began = []

    def report(progress: Progress) -> None:
        if metrics is not None:
            metrics(progress)
        if not began and checkpoints is not None:
            began.append(progress.step)
            with open(checkpoints / "starts", "a") as file:
                file.write(f"{progress.step}\n")

    steps = 160 if method == "healed" else STEPS
    training = Training(steps=steps, batch_size=48, warmup=30 * (method != "healed"), halve_every=50)
    kept = None if checkpoints is None else Checkpoints(checkpoints, steps=3)
    y = Y if method == "cd" else None
    trained = train(objective, X, y, training, 0, make_fabric("cpu"), hooks, report, checkpoints=kept)
    bits = hashlib.sha256()
    for name, tensor in objective.state_dict().items():
        bits.update(name.encode() + tensor.contiguous().numpy().tobytes())
    text = json.dumps([bits.hexdigest(), trained.history, trained.events])
    result.write_text(text)


def child(method: str, result: Path, checkpoints: Path | None) -> int:
    """The process id of a fork that does `run`."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        run(method, result, checkpoints)
        code = 0
    finally:
        os._exit(code)


def ended(process: int) -> int | None:
    """Wait for it: None where it was killed, else its exit code."""
    _, status = os.waitpid(process, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    dice = random.Random(time.time_ns())
    for number, method in enumerate(METHODS):
        here = folder / method
        here.mkdir(parents=True)
        began = time.monotonic()
        assert ended(child(method, here / "whole.json", None)) == 0
        took = time.monotonic() - began
        left = kills // len(METHODS) + (number < kills % len(METHODS))
        place = here / "checkpoints"
        place.mkdir()
        while left:
            process = child(method, here / "killed.json", place)
            time.sleep(dice.uniform(0, took))
            os.kill(process, signal.SIGKILL)
            code = ended(process)
            if code is None:
                left -= 1
            else:  # it was faster than we: once more from the start
                assert code == 0
                assert (here / "killed.json").read_text() == (here / "whole.json").read_text()
                shutil.rmtree(place)
                place.mkdir()
        assert ended(child(method, here / "killed.json", place)) == 0
    print(json.dumps("done"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
