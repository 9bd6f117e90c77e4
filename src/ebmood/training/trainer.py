"""The one training loop. It knows players, batches and hooks, and no method by name."""

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from torch import Tensor

from ebmood.core.errors import EbmoodError, RollbackWarning, one_line
from ebmood.objectives import Objective
from ebmood.training.acceleration import acceleration
from ebmood.training.checkpoint import Checkpoints
from ebmood.training.loggers import Progress, Report
from ebmood.training.rollback import DivergedError, DivergenceGuard, Rollback
from ebmood.training.run import Hook, Run
from ebmood.training.schedule import Training

HISTORY = 200
"""Points of the loss curve that are kept, whatever the number of steps."""


@dataclass(frozen=True)
class Trained:
    """What a training leaves beside the model.

    Attributes:
        history: `step` and one list per recorded value, `player/name`, at most 200 points.
        events: one line for every time that the run diverged and went back.
    """

    history: dict[str, list[float]]
    events: tuple[str, ...]


def make_fabric(device: str, processes: int = 1, nodes: int = 1) -> Fabric:
    """lightning-fabric on one device, or on one for each of several processes; see `ebmood.training.data_parallel`.

    Args:
        device: `auto`, `cpu` or `cuda`.
        processes: on this machine. With more than one, the script that calls this runs in each of them: by
            `torchrun`, or started by the first.
        nodes: machines, with as many processes each; started by `torchrun` on each, or by SLURM's `srun`.

    Raises:
        EbmoodError: CUDA is asked for and absent, or Lightning does not take the way that SLURM was asked.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise EbmoodError(
            "device cuda: this machine has no CUDA device that torch can use; choose cpu or auto"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.cuda.is_available():
        # Lightning sets it when it is imported, so that processes may fork; torch's optimisers then look for NVIDIA's
        # library at every step, for 0.1 to 0.4 ms.
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    if processes * nodes == 1:
        # Told so, or Lightning asks SLURM: it warns wherever `srun` is, and refuses jobs of several tasks.
        return Fabric(accelerator=device, devices=1, plugins=LightningEnvironment())
    by_srun = os.environ.get("SLURM_STEP_NUM_TASKS") == str(processes * nodes)
    started = by_srun or "TORCHELASTIC_RUN_ID" in os.environ
    # By torchrun, or by srun; but a job's own script is one process, whatever SLURM says of tasks there.
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
    healing: Rollback | None = None,
    checkpoints: Checkpoints | None = None,
    name: str = "",
) -> Trained:
    """Let the objective's players move in turn until the steps are done or a hook ends it.

    A run that diverges goes back to an earlier state and on with new noise and lower rates. One that finds
    a checkpoint of its own goes on from there, to the bits that it would have reached without the break.

    Args:
        objective: what is trained, in place; moved to the fabric's device and left in evaluation mode.
        x: training rows `(N, *shape)`.
        y: their classes `(N,)`, or None.
        training: how long and how fast.
        seed: the streams `order` and `noise` of it are drawn from.
        fabric: the device.
        hooks: called after every epoch.
        report: called at every point of the history, and at every healing; in the first process alone.
        healing: what counts as divergence, and how often the run may try again; None for its defaults.
        checkpoints: where to go on from, and where to write them; None for neither.
        name: what events and errors call it, where it is not all that is trained.

    Warns:
        RollbackWarning: the run diverged and went on.

    Raises:
        DivergedError: the run diverged once more than `healing` lets it try again.
        EbmoodError: the processes do not divide the batch, or are not as many as the checkpoints are of.
    """
    run = Run(objective, x, y, training, seed, fabric, hooks)
    healer = DivergenceGuard(run, healing or Rollback(), name)
    tell = report if report and fabric.is_global_zero else (lambda progress: None)
    if checkpoints is not None and (saved := checkpoints.latest(run.identity, fabric)):
        healer.take_up(saved)
    every = max(1, math.ceil(run.steps / HISTORY))
    with acceleration(run.objective, run.steps, run.batches.size, training.fast):
        while run.step < run.steps:
            point = (run.step + 1) % every == 0 or run.step + 1 == run.steps
            look = point or healer.looks()
            logs, rates = run.train_step(measure=look)
            if look:
                values = {name: float(value) for name, value in logs.items()}
                attempt, step = len(healer.events), run.step
                if reason := healer.trouble(values):
                    event = healer.heal(reason)
                    warnings.warn(event, RollbackWarning, stacklevel=2)
                    tell(Progress(step, run.steps, values, attempt, event))
                    continue
                if point:
                    run.record(values | rates)
                    tell(Progress(step, run.steps, values | rates, attempt))
            if run.hooks_end():
                break
            healer.keep()
            if checkpoints is not None and checkpoints.due(run.step, fabric):
                checkpoints.save(healer.saved(), run.identity, fabric)
    run.finish()
    if found := run.not_finite():
        raise DivergedError(
            healer.named(f"{found} is not finite after step {run.step}; lower the learning rate")
        )
    return Trained(run.history, tuple(healer.events))
