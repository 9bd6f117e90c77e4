"""Data-parallel training: several processes train one model, each on its part of every batch.

All processes draw the same order of batches and hold the same parameters. Gradients are averaged after each backward
pass instead of in hooks of `DistributedDataParallel`, because losses that differentiate the model inside (scores,
curvatures) need the bare module. Noise and the initial state of an objective (a replay buffer) differ between
processes.

Batch normalisation uses the rows of one process only: VERA's generator normalises by fewer rows than in a single
process, and its running statistics differ between processes. Without batch normalisation and without noise, the
gradient equals that of a single process on the whole batch.

In a single process, each of these functions returns its argument.
"""

from collections.abc import Iterable, Mapping
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import stream_seed
from ebmood.objectives import Batch

Value = TypeVar("Value")


def rank_stream(name: str, fabric: Fabric) -> str:
    """Return the name of this process's random stream: `name` in process 0, `name/rank1` in process 1, and so on."""
    return name if fabric.global_rank == 0 else f"{name}/rank{fabric.global_rank}"


def rank_seed(seed: int, fabric: Fabric) -> int:
    """Return a seed for the initial state of an objective that differs by process; process 0 uses `seed` itself."""
    return seed if fabric.global_rank == 0 else stream_seed(seed, f"rank{fabric.global_rank}")


def check_divisible(rows: int, fabric: Fabric) -> None:
    """Raise an `EbmoodError` if batches of `rows` rows cannot be split into equal parts, one per process."""
    if rows % fabric.world_size:
        raise EbmoodError(
            f"batches of {rows} rows cannot be split equally between {fabric.world_size} processes; choose a batch "
            f"size that is a multiple of {fabric.world_size}"
        )


def shard(batch: Batch, fabric: Fabric) -> Batch:
    """Return this process's rows of a batch."""
    if fabric.world_size == 1:
        return batch
    count = len(batch.x) // fabric.world_size
    rows = slice(fabric.global_rank * count, (fabric.global_rank + 1) * count)
    return Batch(batch.x[rows], None if batch.y is None else batch.y[rows])


def broadcast_parameters(parameters: Iterable[nn.Parameter], fabric: Fabric) -> None:
    """Overwrite the parameters of every process by those of process 0."""
    if fabric.world_size > 1:
        for parameter in parameters:
            torch.distributed.broadcast(parameter.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter], fabric: Fabric) -> None:
    """Replace gradients by their mean over all processes, with a single all-reduce."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    mean = _mean(torch.cat([gradient.flatten() for gradient in gradients]), fabric)
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average_scalars(logs: Mapping[str, Tensor], fabric: Fabric) -> dict[str, Tensor]:
    """Return the means of scalars over all processes. A value that is not finite in one process is so in the mean."""
    if fabric.world_size == 1 or not logs:
        return dict(logs)
    means = _mean(torch.stack([value.double() for value in logs.values()]), fabric)
    return dict(zip(logs, means.unbind(), strict=True))


def any_rank(condition: bool, fabric: Fabric) -> bool:
    """Return whether the condition is true in any process. All processes must call this."""
    if fabric.world_size == 1:
        return condition
    return bool(_mean(torch.tensor(float(condition), device=fabric.device), fabric) > 0)


def broadcast(value: Value, fabric: Fabric) -> Value:
    """Return the value of process 0, any object that pickle supports. All processes must call this."""
    return fabric.broadcast(value) if fabric.world_size > 1 else value


def all_gather(value: Value, fabric: Fabric) -> list[Value]:
    """Return the values of all processes in the order of their ranks. All processes must call this."""
    values = [value] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def _mean(tensor: Tensor, fabric: Fabric) -> Tensor:
    torch.distributed.all_reduce(tensor)
    return tensor / fabric.world_size
