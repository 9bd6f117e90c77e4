"""The state of a training run: one step at a time, and its copy to and from snapshots."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ebmood.core.seeding import torch_stream
from ebmood.core.settings import Settings, digest
from ebmood.data.units import model_units
from ebmood.objectives import Objective, Player
from ebmood.training.batches import Batches
from ebmood.training.data_parallel import (
    all_gather,
    any_rank,
    average_gradients,
    average_scalars,
    broadcast,
    broadcast_parameters,
    check_divisible,
    rank_stream,
    shard,
)
from ebmood.training.schedule import Training, rate_factor

Tensors = dict[str, Tensor]
Numbers = dict[str, Any]


class Hook(Protocol):
    """A callback that is called after every epoch.

    A hook may have an attribute `identity`, a string. A run does not resume from a checkpoint of a run whose hooks have
    another one.
    """

    def after_epoch(self, epoch: int) -> bool:
        """Handle the end of an epoch, and return True to stop training. Epochs are counted from 1."""
        ...

    def at_end(self) -> None:
        """Handle the end of the training, after the last step."""
        ...

    def state(self) -> tuple[Tensors, Numbers]:
        """Return the state of the hook: tensors that are not modified later, and values that JSON can hold."""
        ...

    def restore(self, tensors: Tensors, numbers: Numbers) -> None:
        """Replace the state of the hook by one that `state` returned."""
        ...


@dataclass(frozen=True)
class State:
    """The state of a run between two steps.

    Attributes:
        step: number of steps done.
        tensors: copies of all tensors, by name.
        numbers: all other values, of types that JSON can hold.
    """

    step: int
    tensors: Tensors
    numbers: Numbers


class Run:
    """An objective with its optimisers, batches and random generators.

    Args:
        objective, x, y, training, seed, fabric, hooks: see `ebmood.training.train`.

    Attributes:
        step: number of steps done.
        steps: number of steps in total.
        rate: factor of the schedule's learning rates; below one after a rollback.
        history: lists of equal length: `step`, and one for each recorded value.
    """

    def __init__(
        self,
        objective: Objective,
        x: Tensor,
        y: Tensor | None,
        training: Training,
        seed: int,
        fabric: Fabric,
        hooks: Sequence[Hook],
    ):
        device = fabric.device
        self.objective = objective.to(device).train()
        self.training, self.seed, self.fabric, self.hooks = training, seed, fabric, hooks
        y = None if y is None else y.to(device)
        self.input_noise = torch_stream(seed, "inputs", device)
        self.batches = Batches(
            x.to(device), y, training.batch_size, torch_stream(seed, "order"), self._prepare
        )
        self.steps = training.length(self.batches.per_epoch)
        check_divisible(self.batches.size, fabric)
        broadcast_parameters(objective.parameters(), fabric)
        self.noise = torch_stream(seed, rank_stream("noise", fabric), device)
        self.players = objective.players()
        self.optimisers: list[Any] = [
            fabric.setup_optimizers(_build_adamw(player)) for player in self.players
        ]
        self.averaged = self.players[0].parameters if training.average else ()
        self.averages = [parameter.detach().clone() for parameter in self.averaged]
        self.step = 0
        self.rate = 1.0
        self.history: dict[str, list[float]] = {"step": []}
        self._never_finite = set(self._non_finite_names())  # for example the logarithm of a zero weight
        self._settings = _setting_values(self.objective)

    def train_step(self, measure: bool) -> tuple[Tensors, dict[str, float]]:
        """Update every player once, all on the same batch.

        Args:
            measure: also log gradient norms, and average the logged values over all processes.

        Returns:
            The logged scalars and the learning rates, both by `player/name`.
        """
        batch = shard(next(self.batches), self.fabric)
        factor = rate_factor(self.step, self.batches.per_epoch, self.training) * self.rate
        logs: Tensors = {}
        rates: dict[str, float] = {}
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            if len(self.players) > 1:
                _freeze_others(player, self.players)
            rates[f"{player.name}/rate"] = player.optimiser.lr * factor
            for group in optimiser.param_groups:
                group["lr"] = player.optimiser.lr * factor
            loss, scalars = player.loss(batch, self.noise)
            optimiser.zero_grad(set_to_none=True)
            self.fabric.backward(loss)
            average_gradients(player.parameters, self.fabric)
            optimiser.step()
            logs[f"{player.name}/loss"] = loss.detach()
            logs.update({f"{player.name}/{name}": value for name, value in scalars.items()})
            if measure:
                logs[f"{player.name}/gradient_norm"] = _gradient_norm(player.parameters)
        self.step += 1
        if self.training.average is not None:
            weight = 1 / min(self.step, self.training.average)  # the arithmetic mean over the first steps
            for average, parameter in zip(self.averages, self.averaged, strict=True):
                average.lerp_(parameter.detach(), weight)
        return average_scalars(logs, self.fabric) if measure else logs, rates

    def _prepare(self, x: Tensor) -> Tensor:
        """Return the inputs of the objective: rows in the model's units, augmented and with noise."""
        x = model_units(x)
        if self.training.augmentation is not None:
            x = self.training.augmentation(x, self.input_noise)
        if self.training.input_noise is not None:
            noise = torch.empty_like(x).normal_(generator=self.input_noise)
            x = x + self.training.input_noise * noise
        return x

    def record(self, values: dict[str, float]) -> None:
        """Add a point to the history."""
        for name, value in {"step": self.step, **values}.items():
            self.history.setdefault(name, []).append(value)

    def end_epoch(self) -> bool:
        """Call the hooks if the last step completed an epoch. Return whether one of them stops training."""
        if self.step % self.batches.per_epoch:
            return False
        epoch = self.step // self.batches.per_epoch
        with self._averages_in_place():
            stops = [hook.after_epoch(epoch) for hook in self.hooks]  # a list, so that every hook is called
        return any_rank(any(stops), self.fabric)

    @contextmanager
    def _averages_in_place(self) -> Iterator[None]:
        """Inside the context, the parameters are their averages, which are those of the final model."""
        if not self.averages or not self.hooks:
            yield
            return
        with torch.no_grad():
            current = [parameter.detach().clone() for parameter in self.averaged]
            for parameter, average in zip(self.averaged, self.averages, strict=True):
                parameter.copy_(average)
            yield
            for parameter, value in zip(self.averaged, current, strict=True):
                parameter.copy_(value)

    def finish(self) -> None:
        """Set averaged parameters, call the hooks, and put the objective into evaluation mode."""
        with torch.no_grad():
            for parameter, average in zip(self.averaged, self.averages, strict=True):
                parameter.copy_(average)
        # After the averages: a hook may restore an earlier state, which has averages too.
        for hook in self.hooks:
            hook.at_end()
        self.objective.requires_grad_(True).eval()

    def find_non_finite(self) -> str | None:
        """Return the name of the first tensor of the objective or an optimiser that is not finite, or None.

        Tensors that were not finite at the start are ignored. All processes return the same name.
        """
        first = next((name for name in self._non_finite_names() if name not in self._never_finite), None)
        if first and self.fabric.world_size > 1:
            first = f"{first} of process {self.fabric.global_rank}"
        return next((name for name in all_gather(first, self.fabric) if name), None)

    def reseed(self, attempt: int, rate: float) -> None:
        """Draw new noise from now on, and set the factor of the schedule's learning rates to `rate`."""
        self.noise = torch_stream(
            self.seed, rank_stream(f"noise, attempt {attempt}", self.fabric), self.fabric.device
        )
        self.rate = rate

    def state(self) -> State:
        """Return a copy of the state, from which the run continues with bitwise equal results."""
        epoch_start, position = self.batches.state()
        tensors = {
            f"objective/{name}": tensor.clone() for name, tensor in self.objective.state_dict().items()
        }
        tensors |= {name: tensor.clone() for name, tensor in self._optimiser_tensors().items()}
        tensors |= {f"mean/{number}": average.clone() for number, average in enumerate(self.averages)}
        tensors |= {"random/order": epoch_start, "random/noise": self.noise.get_state()}
        tensors |= {"random/inputs": self.input_noise.get_state()}
        # This package never draws from the global generators, but a module of a user may (for example dropout).
        tensors["random/global"] = torch.get_rng_state()
        if self.fabric.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        hooks = []
        for number, hook in enumerate(self.hooks):
            hook_tensors, hook_numbers = hook.state()
            tensors |= {f"hook/{number}/{name}": tensor for name, tensor in hook_tensors.items()}
            hooks.append(hook_numbers)
        history = {name: list(values) for name, values in self.history.items()}
        return State(
            self.step, tensors, {"place": position, "rate": self.rate, "history": history, "hooks": hooks}
        )

    def restore(self, state: State) -> None:
        """Replace the state by one that `state` returned."""
        tensors, numbers = state.tensors, state.numbers
        self.step, self.rate = state.step, numbers["rate"]
        self.history = {name: list(values) for name, values in numbers["history"].items()}
        self.objective.load_state_dict(_select("objective/", tensors))
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            optimiser.state.clear()
            for number, parameter in enumerate(player.parameters):
                saved = _select(f"optimiser/{player.name}/{number}/", tensors)
                if saved:
                    optimiser.state[parameter] = {
                        name: _copy_like(parameter, value) for name, value in saved.items()
                    }
        for number, average in enumerate(self.averages):
            average.copy_(tensors[f"mean/{number}"])
        self.batches.restore(tensors["random/order"], numbers["place"])
        self.noise.set_state(tensors["random/noise"])
        self.input_noise.set_state(tensors["random/inputs"])
        torch.set_rng_state(tensors["random/global"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.fabric.device)
        for number, hook in enumerate(self.hooks):
            hook.restore(_select(f"hook/{number}/", tensors), numbers["hooks"][number])

    def _non_finite_names(self) -> Iterator[str]:
        for name, tensor in {**self.objective.state_dict(), **self._optimiser_tensors()}.items():
            if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                yield name

    def _optimiser_tensors(self) -> Tensors:
        return {
            f"optimiser/{player.name}/{number}/{name}": tensor
            for player, optimiser in zip(self.players, self.optimisers, strict=True)
            for number, parameter in enumerate(player.parameters)
            for name, tensor in optimiser.state.get(parameter, {}).items()
        }

    @cached_property
    def identity(self) -> str:
        """A digest of settings, rows and hooks. The run resumes only from checkpoints with the same digest.

        It is the digest of process 0. All processes must access it together.
        """
        shapes = {name: list(tensor.shape) for name, tensor in self.objective.state_dict().items()}
        optimisers = {player.name: player.optimiser.model_dump(mode="json") for player in self.players}
        rows = [None if part is None else _tensor_digest(part) for part in (self.batches.x, self.batches.y)]
        hooks = [type(hook).__name__ + getattr(hook, "identity", "") for hook in self.hooks]
        training = self.training.model_dump(mode="json")
        content = digest([training, self.seed, shapes, self._settings, optimisers, rows, hooks])
        return broadcast(content, self.fabric)


def _tensor_digest(tensor: Tensor) -> str:
    """Return the SHA-256 of the bits, type and shape of a tensor."""
    content = sha256(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    content.update(str((tensor.dtype, tuple(tensor.shape))).encode())
    return content.hexdigest()


def _setting_values(objective: Objective) -> list[str]:
    """Return the settings and plain values among the attributes of an objective and its modules, one text each."""
    return [
        f"{path}.{name}={value!r}"
        for path, module in objective.named_modules()
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and isinstance(value, (int, float, str, Settings))
    ]


def _build_adamw(player: Player) -> torch.optim.Optimizer:
    settings = player.optimiser
    return torch.optim.AdamW(
        player.parameters,
        lr=settings.lr,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def _freeze_others(player: Player, players: Sequence[Player]) -> None:
    for other in players:
        for parameter in other.parameters:
            parameter.requires_grad_(other is player)


def _gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    norms = [parameter.grad.norm() for parameter in parameters if parameter.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros(())


def _select(prefix: str, tensors: Tensors) -> Tensors:
    """Return the tensors whose names start with `prefix`, without the prefix in the names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _copy_like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """Return a copy of `value` on the parameter's device, and in its memory layout if both have the same shape."""
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value.to(parameter.device, copy=True)
