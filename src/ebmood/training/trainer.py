"""The one training loop. It knows players, batches and hooks, and no method by name."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ebmood.errors import EbmoodError
from ebmood.objectives import Objective, Player
from ebmood.seeding import torch_stream
from ebmood.settings import Settings
from ebmood.training.batches import Batches

HISTORY = 200
"""Points of the loss curve that are kept, whatever the number of steps."""


class Training(Settings):
    """How long and how fast; the defaults are the protocol's for tables.

    Attributes:
        steps: moves of every player.
        batch_size: rows a batch.
        warmup: steps over which rates rise linearly to their peak; 0 for none.
        halve_every: epochs after which every rate is halved, again and again; None for never.
        validate_every: epochs between looks at the validation loss; None for none.
        patience: looks without improvement after which training ends; the best state is kept. None: never.
    """

    steps: int = 10_000
    batch_size: int = 512
    warmup: int = 2_500
    halve_every: int | None = None
    validate_every: int | None = None
    patience: int | None = None


@dataclass(frozen=True)
class Progress:
    """Where training is: `step` of `steps`, and the last losses by name."""

    step: int
    steps: int
    losses: dict[str, float]


class DivergedError(EbmoodError):
    """A loss or a parameter is no longer finite."""


class Hook(Protocol):
    """Something that looks at training now and then."""

    def after_epoch(self, epoch: int) -> bool:
        """Called after every epoch (counted from 1); True ends training."""
        ...

    def at_end(self) -> None:
        """Called once after the last step."""
        ...


def rate_factor(step: int, per_epoch: int, training: Training) -> float:
    """What peak rates are multiplied by at `step` (counted from 0): warm-up, then halvings."""
    warm = min(1.0, (step + 1) / training.warmup) if training.warmup else 1.0
    halvings = 0 if training.halve_every is None else step // per_epoch // training.halve_every
    return warm * 0.5**halvings


def make_fabric(device: str) -> Fabric:
    """lightning-fabric on one device.

    Args:
        device: `auto`, `cpu` or `cuda`.

    Raises:
        EbmoodError: CUDA is asked for and absent.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise EbmoodError(
            "device cuda: this machine has no CUDA device that torch can use; choose cpu or auto"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Fabric(accelerator=device, devices=1)


def train(
    objective: Objective,
    x: Tensor,
    y: Tensor | None,
    training: Training,
    seed: int,
    fabric: Fabric,
    hooks: Sequence[Hook] = (),
    report: Callable[[Progress], None] | None = None,
) -> dict[str, list[float]]:
    """Let the objective's players move in turn until the steps are done or a hook ends it.

    Args:
        objective: what is trained, in place; moved to the fabric's device and left in evaluation mode.
        x: training rows `(N, *shape)`.
        y: their classes `(N,)`, or None.
        training: how long and how fast.
        seed: the streams `order` and `noise` of it are drawn from.
        fabric: the device.
        hooks: called after every epoch.
        report: called at every point of the history.

    Returns:
        The history: `step` and one list per logged quantity, `player/name`, at most 200 points.

    Raises:
        DivergedError: a loss or a parameter stopped being finite.
    """
    device = fabric.device
    objective.to(device).train()
    x, y = x.to(device), None if y is None else y.to(device)
    batches = Batches(x, y, training.batch_size, torch_stream(seed, "order"))
    noise = torch_stream(seed, "noise", device)
    players = objective.players()
    optimisers: list[Any] = [fabric.setup_optimizers(_adamw(player)) for player in players]
    every = max(1, math.ceil(training.steps / HISTORY))
    history: dict[str, list[float]] = {"step": []}
    step = 0
    for step, batch in zip(range(1, training.steps + 1), batches, strict=False):
        factor = rate_factor(step - 1, batches.per_epoch, training)
        logs: dict[str, Tensor] = {}
        for player, optimiser in zip(players, optimisers, strict=True):
            if len(players) > 1:
                _only(player, players)
            for group in optimiser.param_groups:
                group["lr"] = player.optimiser.lr * factor
            loss, more = player.loss(batch, noise)
            optimiser.zero_grad(set_to_none=True)
            fabric.backward(loss)
            optimiser.step()
            logs[f"{player.name}/loss"] = loss.detach()
            logs.update({f"{player.name}/{name}": value for name, value in more.items()})
        if step % every == 0 or step == training.steps:
            _record(history, step, logs)
            if report is not None:
                report(Progress(step, training.steps, {name: values[-1] for name, values in history.items()}))
        if step % batches.per_epoch == 0:
            epoch = step // batches.per_epoch
            ended = [hook.after_epoch(epoch) for hook in hooks]  # every hook is asked before one ends it
            if any(ended):
                break
    for hook in hooks:
        hook.at_end()
    for parameter in objective.parameters():
        parameter.requires_grad_(True)
        if not torch.isfinite(parameter).all():
            raise DivergedError(f"a parameter is not finite after step {step}; lower the learning rate")
    objective.eval()
    return history


def _adamw(player: Player) -> torch.optim.Optimizer:
    settings = player.optimiser
    return torch.optim.AdamW(
        player.parameters,
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def _only(player: Player, players: Sequence[Player]) -> None:
    for other in players:
        for parameter in other.parameters:
            parameter.requires_grad_(other is player)


def _record(history: dict[str, list[float]], step: int, logs: dict[str, Tensor]) -> None:
    history["step"].append(step)
    for name, value in logs.items():
        number = float(value)
        if not math.isfinite(number):
            raise DivergedError(
                f"{name} is {number} at step {step}; lower the learning rate or the sampler's step"
            )
        history.setdefault(name, []).append(number)
