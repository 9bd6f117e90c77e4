"""Everything that changes while an objective trains: moved step by step, put away, and taken up again."""

from collections.abc import Iterator, Sequence
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
    anywhere,
    average,
    average_gradients,
    check_shares,
    from_all,
    from_first,
    make_equal,
    rank_stream,
    share,
)
from ebmood.training.schedule import Training, rate_factor

Tensors = dict[str, Tensor]
Numbers = dict[str, Any]


class Hook(Protocol):
    """Something that looks at training now and then.

    Where checkpoints must not be taken up by one that looks at other things, it has an `identity`, a text.
    """

    def after_epoch(self, epoch: int) -> bool:
        """Called after every epoch (counted from 1); True ends training."""
        ...

    def at_end(self) -> None:
        """Called once after the last step."""
        ...

    def state(self) -> tuple[Tensors, Numbers]:
        """All that it remembers: tensors that nothing will write to, and numbers that JSON can hold."""
        ...

    def restore(self, tensors: Tensors, numbers: Numbers) -> None:
        """Remember what a `state` held instead."""
        ...


@dataclass(frozen=True)
class State:
    """A run between two steps: copies of its tensors by name, and numbers that JSON can hold."""

    step: int
    tensors: Tensors
    numbers: Numbers


class Run:
    """An objective, its optimisers, its batches and its noise.

    Args:
        objective, x, y, training, seed, fabric, hooks: see `train`.

    Attributes:
        step: steps done, of `steps`.
        rate: what the schedule's rates are multiplied by; below one after a healing.
        history: `step` and one list per logged quantity.
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
        self.inputs = torch_stream(seed, "inputs", device)
        self.batches = Batches(
            x.to(device), y, training.batch_size, torch_stream(seed, "order"), self._prepare
        )
        self.steps = training.length(self.batches.per_epoch)
        check_shares(self.batches.size, fabric)
        make_equal(objective.parameters(), fabric)
        self.noise = torch_stream(seed, rank_stream("noise", fabric), device)
        self.players = objective.players()
        self.optimisers: list[Any] = [fabric.setup_optimizers(_adamw(player)) for player in self.players]
        self.averaged = self.players[0].parameters if training.average else ()
        self.means = [parameter.detach().clone() for parameter in self.averaged]
        self.step = 0
        self.rate = 1.0
        self.history: dict[str, list[float]] = {"step": []}
        self._never_finite = set(self._not_finite())  # a mixture's weight of zero, in logarithms, say
        self._settings = _plain_values(self.objective)

    def train_step(self, measure: bool) -> tuple[Tensors, dict[str, float]]:
        """One step: every player moves once, all on the same batch.

        Args:
            measure: also log the norms of gradients, which cost a little.

        Returns:
            Scalars that the players log, and the players' rates, both by `player/name`.
        """
        batch = share(next(self.batches), self.fabric)
        factor = rate_factor(self.step, self.batches.per_epoch, self.training) * self.rate
        logs: Tensors = {}
        rates: dict[str, float] = {}
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            if len(self.players) > 1:
                _only(player, self.players)
            rates[f"{player.name}/rate"] = player.optimiser.lr * factor
            for group in optimiser.param_groups:
                group["lr"] = player.optimiser.lr * factor
            loss, more = player.loss(batch, self.noise)
            optimiser.zero_grad(set_to_none=True)
            self.fabric.backward(loss)
            average_gradients(player.parameters, self.fabric)
            optimiser.step()
            logs[f"{player.name}/loss"] = loss.detach()
            logs.update({f"{player.name}/{name}": value for name, value in more.items()})
            if measure:
                logs[f"{player.name}/gradient_norm"] = _gradient_norm(player.parameters)
        self.step += 1
        if self.training.average is not None:
            weight = 1 / min(self.step, self.training.average)  # the plain mean until there are so many
            for mean, parameter in zip(self.means, self.averaged, strict=True):
                mean.lerp_(parameter.detach(), weight)
        return average(logs, self.fabric) if measure else logs, rates

    def _prepare(self, x: Tensor) -> Tensor:
        """What the objective sees of a batch's rows: in the model's units, augmented, and noisy."""
        x = model_units(x)
        if self.training.augmentation is not None:
            x = self.training.augmentation(x, self.inputs)
        if self.training.input_noise is not None:
            noise = torch.empty_like(x).normal_(generator=self.inputs)
            x = x + self.training.input_noise * noise
        return x

    def record(self, values: dict[str, float]) -> None:
        """Add a point to the history."""
        for name, value in {"step": self.step, **values}.items():
            self.history.setdefault(name, []).append(value)

    def hooks_end(self) -> bool:
        """Ask the hooks after the last step of an epoch; whether one of them ends training."""
        if self.step % self.batches.per_epoch:
            return False
        epoch = self.step // self.batches.per_epoch
        ended = [hook.after_epoch(epoch) for hook in self.hooks]  # all are asked before one ends it
        return anywhere(any(ended), self.fabric)

    def finish(self) -> None:
        """Let hooks have the last word, and leave the objective ready for use."""
        for hook in self.hooks:
            hook.at_end()
        with torch.no_grad():
            for parameter, mean in zip(self.averaged, self.means, strict=True):
                parameter.copy_(mean)
        self.objective.requires_grad_(True).eval()

    def not_finite(self) -> str | None:
        """The first tensor of the objective or an optimiser that came to hold a number which is not finite, or None.

        All processes hear the same.
        """
        first = next((name for name in self._not_finite() if name not in self._never_finite), None)
        if first and self.fabric.world_size > 1:
            first = f"{first} of process {self.fabric.global_rank}"
        return next((name for name in from_all(first, self.fabric) if name), None)

    def renew(self, attempt: int, rate: float) -> None:
        """From here on, take new noise and multiply the schedule's rates by `rate`."""
        self.noise = torch_stream(
            self.seed, rank_stream(f"noise, attempt {attempt}", self.fabric), self.fabric.device
        )
        self.rate = rate

    def state(self) -> State:
        """A copy of everything, from which the run goes on to the same bits."""
        before, place = self.batches.state()
        tensors = {
            f"objective/{name}": tensor.clone() for name, tensor in self.objective.state_dict().items()
        }
        tensors |= {name: tensor.clone() for name, tensor in self._optimiser_tensors().items()}
        tensors |= {f"mean/{number}": mean.clone() for number, mean in enumerate(self.means)}
        tensors |= {"random/order": before, "random/noise": self.noise.get_state()}
        tensors |= {"random/inputs": self.inputs.get_state()}
        # No code of ours draws from the global generators; a user's module (dropout, say) may.
        tensors["random/global"] = torch.get_rng_state()
        if self.fabric.device.type == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state(self.fabric.device)
        hooks = []
        for number, hook in enumerate(self.hooks):
            kept, remembered = hook.state()
            tensors |= {f"hook/{number}/{name}": tensor for name, tensor in kept.items()}
            hooks.append(remembered)
        history = {name: list(values) for name, values in self.history.items()}
        return State(
            self.step, tensors, {"place": place, "rate": self.rate, "history": history, "hooks": hooks}
        )

    def restore(self, state: State) -> None:
        """Go back, or on, to a `state` of this run."""
        tensors, numbers = state.tensors, state.numbers
        self.step, self.rate = state.step, numbers["rate"]
        self.history = {name: list(values) for name, values in numbers["history"].items()}
        self.objective.load_state_dict(_under("objective/", tensors))
        for player, optimiser in zip(self.players, self.optimisers, strict=True):
            optimiser.state.clear()
            for number, parameter in enumerate(player.parameters):
                saved = _under(f"optimiser/{player.name}/{number}/", tensors)
                if saved:
                    optimiser.state[parameter] = {
                        name: _like(parameter, value) for name, value in saved.items()
                    }
        for number, mean in enumerate(self.means):
            mean.copy_(tensors[f"mean/{number}"])
        self.batches.restore(tensors["random/order"], numbers["place"])
        self.noise.set_state(tensors["random/noise"])
        self.inputs.set_state(tensors["random/inputs"])
        torch.set_rng_state(tensors["random/global"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self.fabric.device)
        for number, hook in enumerate(self.hooks):
            hook.restore(_under(f"hook/{number}/", tensors), numbers["hooks"][number])

    def _not_finite(self) -> Iterator[str]:
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
        """A digest of what a state must have in common with this run to be one of its own: settings, rows, hooks.

        It is the first process's; the others must ask for it too.
        """
        shapes = {name: list(tensor.shape) for name, tensor in self.objective.state_dict().items()}
        optimisers = {player.name: player.optimiser.model_dump(mode="json") for player in self.players}
        rows = [None if part is None else _digest_of(part) for part in (self.batches.x, self.batches.y)]
        hooks = [type(hook).__name__ + getattr(hook, "identity", "") for hook in self.hooks]
        training = self.training.model_dump(mode="json")
        own = digest([training, self.seed, shapes, self._settings, optimisers, rows, hooks])
        return from_first(own, self.fabric)


def _digest_of(tensor: Tensor) -> str:
    """SHA-256 of a tensor's bits and shape."""
    content = sha256(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    content.update(str((tensor.dtype, tuple(tensor.shape))).encode())
    return content.hexdigest()


def _plain_values(objective: Objective) -> list[str]:
    """What an objective and its modules were set to: settings, weights of terms, slopes; no tensors."""
    return [
        f"{place}.{name}={value!r}"
        for place, module in objective.named_modules()
        for name, value in sorted(vars(module).items())
        if not name.startswith("_") and isinstance(value, (int, float, str, Settings))
    ]


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


def _gradient_norm(parameters: Sequence[nn.Parameter]) -> Tensor:
    norms = [parameter.grad.norm() for parameter in parameters if parameter.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros(())


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    """A copy of `value` on the parameter's device, and in its memory layout where it has its shape."""
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
    return value.to(parameter.device, copy=True)
