"""One model on several processes: each moves by the gradient of the whole batch, of which it computes its share.

All see the same order of batches and hold the same parameters; gradients are averaged after each backward pass, so
that losses which differentiate inside (scores, curvatures) see bare modules. Noise, and what an objective fills at
its start (a replay buffer), differ from process to process.

Batch normalisation is of each process's own share: VERA's generator normalises by fewer rows than one process
would, and keeps running statistics of its own. Without it, and without noise, the gradient is that of one process on
the whole batch.

With one process each of these functions gives back what it got.
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
    """The name of this process's own stream: the first keeps `name`, the others are `name/rank1` and so on."""
    return name if fabric.global_rank == 0 else f"{name}/rank{fabric.global_rank}"


def rank_seed(seed: int, fabric: Fabric) -> int:
    """The seed to start an objective with, so that what it fills differs by process; the first keeps `seed`."""
    return seed if fabric.global_rank == 0 else stream_seed(seed, f"rank{fabric.global_rank}")


def check_shares(rows: int, fabric: Fabric) -> None:
    """Raises an `EbmoodError` where batches of so many rows cannot be shared alike: means would be of unlike weight."""
    if rows % fabric.world_size:
        raise EbmoodError(
            f"batches of {rows} rows cannot be shared alike by {fabric.world_size} processes; choose a batch size that "
            f"{fabric.world_size} divides"
        )


def share(batch: Batch, fabric: Fabric) -> Batch:
    """This process's rows of a batch."""
    if fabric.world_size == 1:
        return batch
    count = len(batch.x) // fabric.world_size
    mine = slice(fabric.global_rank * count, (fabric.global_rank + 1) * count)
    return Batch(batch.x[mine], None if batch.y is None else batch.y[mine])


def make_equal(parameters: Iterable[nn.Parameter], fabric: Fabric) -> None:
    """Give every process the first one's parameters."""
    if fabric.world_size > 1:
        for parameter in parameters:
            torch.distributed.broadcast(parameter.data, src=0)


def average_gradients(parameters: Iterable[nn.Parameter], fabric: Fabric) -> None:
    """Replace gradients by their mean over all processes, in one message."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if fabric.world_size == 1 or not gradients:
        return
    mean = _mean(torch.cat([gradient.flatten() for gradient in gradients]), fabric)
    for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def average(logs: Mapping[str, Tensor], fabric: Fabric) -> dict[str, Tensor]:
    """Means of scalars over all processes, so that all judge by the same; what is not finite in one is so in all."""
    if fabric.world_size == 1 or not logs:
        return dict(logs)
    means = _mean(torch.stack([value.double() for value in logs.values()]), fabric)
    return dict(zip(logs, means.unbind(), strict=True))


def anywhere(happened: bool, fabric: Fabric) -> bool:
    """Whether something happened in any process; all must ask."""
    if fabric.world_size == 1:
        return happened
    return bool(_mean(torch.tensor(float(happened), device=fabric.device), fabric) > 0)


def from_first(value: Value, fabric: Fabric) -> Value:
    """The first process's value, anything that can be pickled; all must ask."""
    return fabric.broadcast(value) if fabric.world_size > 1 else value


def from_all(value: Value, fabric: Fabric) -> list[Value]:
    """Every process's value, in their order; all must ask."""
    values = [value] * fabric.world_size
    if fabric.world_size > 1:
        torch.distributed.all_gather_object(values, value)
    return values


def _mean(tensor: Tensor, fabric: Fabric) -> Tensor:
    torch.distributed.all_reduce(tensor)
    return tensor / fabric.world_size
