"""Kills training runs at random moments and lets them go on: `python killed_run.py FOLDER KILLS`.

For each method it leaves FOLDER/METHOD/{whole,killed}.json, with digests of what the run gave. `paper` and `embedding`
are whole cells of a study: one that selects by OOD rows as it trains and early-stops, and one that trains a classifier
first. Runs are forks of this process, so that torch is imported once.
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

import numpy as np
import torch

from ebmood.data import Images, Toy
from ebmood.models import EnergyModel, RadialFlow
from ebmood.networks import MLP
from ebmood.objectives import CD, SSM, VERA, AdamW, Likelihood, Objective, Supervised
from ebmood.recipes import METHODS, Classifier, recipe_for
from ebmood.samplers import MALA, SGLD
from ebmood.study.cell import Cell, run_cell
from ebmood.training import (
    BestState,
    Checkpoints,
    MetricsFile,
    Progress,
    Report,
    Training,
    make_fabric,
    train,
)

X = torch.rand(200, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(200) % 3
STEPS = 120
OBJECTIVES = ("ssm", "cd", "mala", "vera", "flow", "compiled", "healed")
CELLS = ("paper", "embedding")


def start(method: str) -> Objective:
    torch.manual_seed(0)
    if method in ("flow", "compiled"):
        return Likelihood().build(RadialFlow(3, 4, compiled=method == "compiled"), 1, (3,), 0)
    model = EnergyModel(MLP(3, (16, 16), 3 if method == "cd" else 1, "silu"))
    if method == "ssm":
        return SSM().build(model, 1, (3,), 0)
    if method == "vera":
        return VERA(hidden=(16,), posterior_samples=4).build(model, 1, (3,), 0)
    if method == "mala":
        return CD(chain=MALA(steps=4, step_size=0.05), buffer=60).build(model, 1, (3,), 0)
    if method == "cd":
        return Supervised(
            CD(chain=SGLD(steps=4), buffer=60, class_conditional=True).build(model, 3, (3,), 0), 1.0
        )
    explosive = CD(chain=SGLD(steps=5, step_size=30), buffer=60, penalty=0, optimiser=AdamW(lr=0.01))
    return explosive.build(model, 1, (3,), 0)


def cell(method: str, place: Path) -> Cell:
    """A cell of a study."""
    short = {"steps": 80, "epochs": None, "warmup": 0, "batch_size": 32}
    if method == "paper":
        recipe = METHODS["spline"]("corrected", None).overridden(
            model={"transforms": 2, "hidden": (8,)}, training={**short, "validate_every": 1, "patience": 50}
        )
        return Cell(dataset=Toy(rows=300), recipe=recipe, seed=0, selection="paper")
    file = place.parent / "images.npz"
    if not file.exists():
        dice = torch.Generator().manual_seed(0)
        x = torch.randint(0, 256, (150, 8, 8), dtype=torch.uint8, generator=dice).numpy()
        np.savez(file, X=x, y=np.arange(150) % 3)
    classifier = Classifier(
        model=Classifier().model.updated(depth=10, width=1, stride_first=True),
        training=Training(steps=40, warmup=0, batch_size=32),
    )
    recipe = recipe_for("ssm", "corrected", None, (1, 8, 8), embedding=classifier)
    recipe = recipe.overridden(model={"hidden": (16,)}, training=short)
    images = Images.model_validate({"id": str(file), "size": 8, "cache": str(place.parent / "decoded")})
    return Cell(dataset=images, recipe=recipe, seed=0)


def run_cell_of(method: str, result: Path, checkpoints: Path | None) -> None:
    """Run a cell, and leave its record in `result`."""
    place = result.parent / "never killed" if checkpoints is None else checkpoints
    os.environ["EBMOOD_CACHE"] = str(place / "cache")
    Checkpoints.__init__.__defaults__ = (0.0, 3)  # the classifier's own are written as often
    record = run_cell(cell(method, place), told(place), Checkpoints(place))
    assert record.status == "done", record.reason
    result.write_text(record.model_dump_json(exclude={"started", "seconds"}))


def told(checkpoints: Path) -> Report:
    """Writes the metrics, and the step at which each start begins."""
    metrics = MetricsFile(checkpoints / "metrics.jsonl", goes_on=bool(list(checkpoints.glob("*.json"))))
    began = []

    def report(progress: Progress) -> None:
        metrics(progress)
        if not began:
            began.append(progress.step)
            with open(checkpoints / "starts", "a") as file:
                file.write(f"{progress.step}\n")

    return report


def run(method: str, result: Path, checkpoints: Path | None) -> None:
    """Train, and leave digests of all that training gave in `result`."""
    if method in CELLS:
        run_cell_of(method, result, checkpoints)
        return
    objective = start(method)
    hooks = []
    if method == "flow":
        hooks = [BestState(objective, lambda: -float(objective.validation_loss(X[:40])), 2, 60)]
    report = None if checkpoints is None else told(checkpoints)
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
    methods = OBJECTIVES + CELLS
    for number, method in enumerate(methods):
        here = folder / method
        here.mkdir(parents=True)
        began = time.monotonic()
        assert ended(child(method, here / "whole.json", None)) == 0
        took = time.monotonic() - began
        left = kills // len(methods) + (number < kills % len(methods))
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
