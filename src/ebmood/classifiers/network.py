"""Run a classifier on inputs: features and logits of all rows, and its last linear layer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ebmood.classifiers.inputs import Batch
from ebmood.core.errors import EbmoodError, InputError, one_line
from ebmood.networks import ClassifierOutputs
from ebmood.scores import Head, Outputs

Progress = Callable[[int], None]
"""Receives the number of rows so far."""


@dataclass(frozen=True)
class NetworkResults:
    """What a network returns for N rows.

    Attributes:
        outputs: features and logits, on the CPU.
        labels: `(N,)` labels of the batches, if all batches had some.
        example: the first two inputs, as the network received them.
    """

    outputs: Outputs
    labels: Tensor | None
    example: Tensor


def run_network(
    network: ClassifierOutputs,
    batches: Iterable[Batch],
    device: torch.device,
    perturb: Callable[[Tensor], Tensor] | None = None,
    progress: Progress = lambda rows: None,
) -> NetworkResults:
    """Return features and logits of all rows.

    Args:
        network: in evaluation mode, on `device`.
        batches: the inputs.
        device: where the network computes.
        perturb: a change of the inputs before the forward pass.
        progress: called after each batch.

    Raises:
        InputError: there are no rows, or the outputs of a row are NaN or infinite; the message names it.
        EbmoodError: the network refuses the inputs, or returns no logits.
    """
    features, logits, labels, rows, example = [], [], [], 0, None
    for batch in batches:
        x = prepare(network, batch.x, device)
        try:
            x = x if perturb is None else perturb(x)
            with torch.inference_mode():
                both = network(x)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            if isinstance(error, EbmoodError):
                raise
            raise InputError(
                f"X: {type(network.module).__name__} refuses rows {rows} to {rows + len(x) - 1} of shape "
                f"{tuple(x.shape[1:])} ({one_line(error)[:120]}); give inputs as the model takes them"
            ) from error
        part_features, part_logits = (part.double().cpu() for part in both)
        _check_finite(part_features, part_logits, batch.x, rows)
        features.append(part_features)
        logits.append(part_logits)
        labels.append(batch.y)
        example = x[:2] if example is None else example
        rows += len(x)
        progress(rows)
    if example is None:
        raise InputError("X: no rows; give one or more")
    given = [part for part in labels if part is not None]
    return NetworkResults(
        Outputs(torch.cat(features), torch.cat(logits)),
        torch.cat([part.cpu() for part in given]) if len(given) == len(labels) else None,
        example,
    )


def prepare(network: nn.Module, x: Tensor, device: torch.device) -> Tensor:
    """Return inputs on the device; floating-point numbers in the type of the network's parameters."""
    dtype = next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)
    return x.to(device, dtype) if x.is_floating_point() else x.to(device)


def head_of(network: ClassifierOutputs, x: Tensor) -> Head | None:
    """Return the last linear layer, if the input of it are the features; in float64 on the CPU."""
    with torch.inference_mode():
        layer = network.head(x)
    if layer is None:
        return None
    weight = layer.weight.detach().double().cpu()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().cpu()
    return Head(weight, bias)


def _check_finite(features: Tensor, logits: Tensor, x: Tensor, first: int) -> None:
    for name, values in (("features", features), ("logits", logits)):
        is_bad = ~values.isfinite().all(1)
        if is_bad.any():
            row = int(is_bad.int().argmax())
            given = x.is_floating_point() and not x[row].isfinite().all()
            reason = (
                "the input is NaN or infinite" if given else "the network computes NaN or infinity from it"
            )
            raise RowError(first + row, f"the {name} are not finite; {reason}, leave such rows out")


class RowError(InputError):
    """An error about one row.

    Attributes:
        row: its number, from 0.
        problem: what is wrong with it.
    """

    def __init__(self, row: int, problem: str):
        super().__init__(f"X: row {row}: {problem}")
        self.row, self.problem = row, problem
