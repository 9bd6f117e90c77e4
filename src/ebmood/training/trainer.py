"""The training loop. It uses players, batches and hooks only, and is the same for all objectives."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from ebmood.core.errors import EbmoodError, InputError, RollbackWarning, one_line, warn
from ebmood.objectives import Objective
from ebmood.training.acceleration import acceleration
from ebmood.training.checkpoint import Checkpoints
from ebmood.training.deadline import TrainingStoppedError, deadline_passed
from ebmood.training.loggers import Progress, Report
from ebmood.training.rollback import DivergedError, DivergenceGuard, Rollback
from ebmood.training.run import Hook, Run
from ebmood.training.schedule import Training

HISTORY = 200
"""Maximum number of points in the loss curve."""


@dataclass(frozen=True)
class Trained:
    """What `train` returns. The model is trained in place.

    Attributes:
        history: lists of equal length (at most 200): `step`, and one for each recorded value `player/name`.
        events: one line for every rollback.
    """

    history: dict[str, list[float]]
    events: tuple[str, ...]


def make_fabric(device: str, processes: int = 1, nodes: int = 1) -> Fabric:
    """Return a lightning-fabric for one device, or for one device per process.

    See `ebmood.training.data_parallel` for several processes.

    Args:
        device: `auto`, `cpu` or `cuda`.
        processes: number of processes on each machine. If there are several, each of them runs the script that
            calls this function: `torchrun` starts them, or the first process starts the others.
        nodes: number of machines. `torchrun` on each machine or SLURM's `srun` starts their processes.

    Raises:
        InputError: the device has another name.
        EbmoodError: CUDA is requested but not available, or Lightning does not support the settings of the SLURM job.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {device!r}: unknown; choose auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise EbmoodError("device cuda: torch finds no CUDA device on this machine; choose cpu or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.cuda.is_available():
        # Lightning sets this variable at import. It makes the optimisers of torch search for NVIDIA's library in every
        # step, which takes 0.1 to 0.4 ms.
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    if processes * nodes == 1:
        # Without this plugin, Lightning queries SLURM: it warns if `srun` is installed, and rejects jobs of many tasks.
        return Fabric(accelerator=device, devices=1, plugins=LightningEnvironment())
    by_srun = os.environ.get("SLURM_STEP_NUM_TASKS") == str(processes * nodes)
    started = by_srun or "TORCHELASTIC_RUN_ID" in os.environ
    # The batch script of a SLURM job is a single process, although SLURM's variables describe the tasks of the job.
    plugins = None if started or nodes > 1 else LightningEnvironment()
    try:
        fabric = Fabric(
            accelerator=device, devices=processes, num_nodes=nodes, strategy="ddp", plugins=plugins
        )
    except (RuntimeError, ValueError) as error:
        raise EbmoodError(f"{nodes} nodes of {processes} processes: {one_line(error)}") from error
    fabric.launch()
    return fabric


def train(
    objective: Objective,
    x: Tensor,
    y: Tensor | None,
    training: Training,
    seed: int,
    fabric: Fabric,
    hooks: Sequence[Hook] = (),
    report: Report | None = None,
    rollback: Rollback | None = None,
    checkpoints: Checkpoints | None = None,
    name: str = "",
) -> Trained:
    """Update the players of an objective in turn until all steps are done or a hook stops the training.

    A run that diverges is rolled back and continues with new noise and lower learning rates. If the folder of
    checkpoints has one of this run, training resumes from it, and the result is bitwise equal to that of a run
    without interruption.

    Args:
        objective: trained in place; moved to the fabric's device and left in evaluation mode.
        x: training rows `(N, *shape)`.
        y: classes of the rows `(N,)`, or None.
        training: number of steps, learning rates, and transformations of the inputs.
        seed: seed of all random streams of the run (order of the rows, noise of the losses and of the inputs).
        fabric: device and processes; see `make_fabric`.
        hooks: called after every epoch.
        report: called at every point of the history and at every rollback, in process 0 only.
        rollback: when the run counts as diverged, and how often it may roll back; None for the defaults.
        checkpoints: where to resume from and where to write checkpoints; None for neither.
        name: prefix of events and errors if this objective is one of several; empty for none.

    Warns:
        RollbackWarning: the run diverged and was rolled back.

    Raises:
        DivergedError: the run diverged, and `rollback` allows no further rollback.
        TrainingStoppedError: the time of `stop_trainings_at` is over. The run resumes from its checkpoints.
        EbmoodError: the batch cannot be split equally between the processes, or the checkpoints were written by
            another number of processes.
    """
    run = Run(objective, x, y, training, seed, fabric, hooks)
    guard = DivergenceGuard(run, rollback or Rollback(), name)
    notify = report if report and fabric.is_global_zero else (lambda progress: None)
    if checkpoints is not None and (saved := checkpoints.latest(run.identity, fabric)):
        guard.resume(saved)
    interval = max(1, math.ceil(run.steps / HISTORY))
    with acceleration(run.objective, run.steps, run.batches.size, training.fast):
        while run.step < run.steps:
            is_recorded = (run.step + 1) % interval == 0 or run.step + 1 == run.steps
            is_evaluated = is_recorded or guard.checks_next_step()
            logs, rates = run.train_step(measure=is_evaluated)
            if is_evaluated:
                values = {name: float(value) for name, value in logs.items()}
                attempt, step = len(guard.events), run.step
                if reason := guard.check(values):
                    event = guard.rollback(reason)
                    warn(event, RollbackWarning)
                    notify(Progress(step, run.steps, values, attempt, event))
                    continue
                if is_recorded:
                    run.record(values | rates)
                    notify(Progress(step, run.steps, values | rates, attempt))
            if run.end_epoch():
                break
            guard.keep_snapshot()
            if checkpoints is not None:
                stops = deadline_passed(fabric)
                if stops or checkpoints.due(run.step, fabric):
                    checkpoints.save(guard.checkpoint(), run.identity, fabric)
                if stops:
                    raise TrainingStoppedError
    run.finish()
    if tensor := run.find_non_finite():
        message = f"{tensor} is not finite after step {run.step}; lower the learning rate"
        raise DivergedError(guard.with_name(message))
    return Trained(run.history, tuple(guard.events))
