"""Kill training runs at random times and resume them: `python killed_runs.py FOLDER KILLS`.

For each method, write FOLDER/METHOD/{expected,killed}.json with digests of the results without and with kills. `paper`
and `embedding` are cells of a study: the first selects its state by OOD rows and stops early, the second trains a
classifier first. Runs are forks of this process, so that torch is imported only once.
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
OBJECTIVES = ("ssm", "cd", "mala", "vera", "flow", "compiled", "diverging")
CELLS = ("paper", "embedding")


def build(method: str) -> Objective:
    torch.manual_seed(0)
    if method in ("flow", "compiled"):
        return Likelihood().build(RadialFlow(3, 4), 1, (3,), 0)
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
    settings = CD(chain=SGLD(steps=5, step_size=30), buffer=60, penalty=0, optimiser=AdamW(lr=0.01))
    return settings.build(model, 1, (3,), 0)


def build_cell(method: str, folder: Path) -> Cell:
    """Return a cell of a study."""
    short = {"steps": 80, "epochs": None, "warmup": 0, "batch_size": 32}
    if method == "paper":
        recipe = METHODS["spline"]("corrected", None).overridden(
            model={"transforms": 2, "hidden": (8,)}, training={**short, "validate_every": 1, "patience": 50}
        )
        return Cell(dataset=Toy(rows=300), recipe=recipe, seed=0, selection="paper")
    file = folder.parent / "images.npz"
    if not file.exists():
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(0, 256, (150, 8, 8), dtype=torch.uint8, generator=generator).numpy()
        np.savez(file, X=x, y=np.arange(150) % 3)
    classifier = Classifier(
        model=Classifier().model.updated(depth=10, width=1, stride_first=True),
        training=Training(steps=40, warmup=0, batch_size=32),
    )
    recipe = recipe_for("ssm", "corrected", None, (1, 8, 8), embedding=classifier)
    recipe = recipe.overridden(model={"hidden": (16,)}, training=short)
    images = Images.model_validate({"id": str(file), "size": 8, "cache": str(folder.parent / "decoded")})
    return Cell(dataset=images, recipe=recipe, seed=0)


def run_study_cell(method: str, result: Path, checkpoints: Path | None) -> None:
    """Run a cell, and write its record to `result`."""
    folder = result.parent / "without kills" if checkpoints is None else checkpoints
    os.environ["EBMOOD_CACHE"] = str(folder / "cache")
    Checkpoints.__init__.__defaults__ = (0.0, 3)  # also for the checkpoints of the classifier
    record = run_cell(build_cell(method, folder), build_report(folder), Checkpoints(folder))
    assert record.status == "done", record.reason
    result.write_text(record.model_dump_json(exclude={"started", "seconds"}))


def build_report(checkpoints: Path) -> Report:
    """Return a report that writes the metrics file, and the first step of every process to the file `starts`."""
    metrics = MetricsFile(checkpoints / "metrics.jsonl", resume=bool(list(checkpoints.glob("*.json"))))
    steps = []

    def report(progress: Progress) -> None:
        metrics(progress)
        if not steps:
            steps.append(progress.step)
            with open(checkpoints / "starts", "a") as file:
                file.write(f"{progress.step}\n")

    return report


def run(method: str, result: Path, checkpoints: Path | None) -> None:
    """Train, and write digests of all results to `result`."""
    if method in CELLS:
        run_study_cell(method, result, checkpoints)
        return
    objective = build(method)
    hooks = []
    if method == "flow":
        hooks = [BestState(objective, lambda: -float(objective.validation_loss(X[:40])), 2, 60)]
    report = None if checkpoints is None else build_report(checkpoints)
    steps = 160 if method == "diverging" else STEPS
    warmup = 0 if method == "diverging" else 30
    fast = True if method == "compiled" else None
    training = Training(steps=steps, batch_size=48, warmup=warmup, halve_every=50, fast=fast)
    y = Y if method == "cd" else None
    trained = train(
        objective,
        X,
        y,
        training,
        0,
        make_fabric("cpu"),
        hooks,
        report,
        checkpoints=None if checkpoints is None else Checkpoints(checkpoints, steps=3),
    )
    digest = hashlib.sha256()
    for name, tensor in objective.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    text = json.dumps([digest.hexdigest(), trained.history, trained.events])
    result.write_text(text)


def fork(method: str, result: Path, checkpoints: Path | None) -> int:
    """Call `run` in a forked process, and return its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        run(method, result, checkpoints)
        code = 0
    finally:
        os._exit(code)


def wait(process: int) -> int | None:
    """Wait for a process. Return its exit code, or None if it was killed."""
    _, status = os.waitpid(process, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    generator = random.Random(time.time_ns())
    methods = OBJECTIVES + CELLS
    for number, method in enumerate(methods):
        results = folder / method
        results.mkdir(parents=True)
        start = time.monotonic()
        assert wait(fork(method, results / "expected.json", None)) == 0
        seconds = time.monotonic() - start
        remaining = kills // len(methods) + (number < kills % len(methods))
        checkpoints = results / "checkpoints"
        checkpoints.mkdir()
        while remaining:
            process = fork(method, results / "killed.json", checkpoints)
            time.sleep(generator.uniform(0, seconds))
            os.kill(process, signal.SIGKILL)
            code = wait(process)
            if code is None:
                remaining -= 1
            else:  # the run ended before the kill: start again
                assert code == 0
                assert (results / "killed.json").read_text() == (results / "expected.json").read_text()
                shutil.rmtree(checkpoints)
                checkpoints.mkdir()
        assert wait(fork(method, results / "killed.json", checkpoints)) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
