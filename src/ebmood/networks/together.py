"""Several MLPs of equal hidden layers asked about the same rows, in one pass that autograd does not watch.

Their first layers become one product, and every activation runs over all of them at once: for rows by the hundred the
calls between the arithmetic cost as much as the arithmetic.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ebmood.networks.mlp import MLP
from ebmood.networks.without_autograd import blocks_of, in_place


def mean_logits(groups: Sequence[Sequence[MLP]], x: Tensor) -> list[Tensor]:
    """The mean of the networks of each group: `(N, D) -> (N, K_g)`.

    Args:
        groups: networks without batch norms; hidden layers alike in all, outputs alike within a group.
        x: rows.
    """
    networks = [network for group in groups for network in group]
    watched = torch.is_grad_enabled() or torch.compiler.is_compiling()
    each = watched or not networks or len(networks[0].layers) == 1
    logits = [network(x) for network in networks] if each else _together(networks, x)
    means = []
    for group in groups:
        own, logits = logits[: len(group)], logits[len(group) :]
        means.append(sum(own[1:], own[0]) / len(own))
    return means


@torch.no_grad()
def _together(networks: Sequence[MLP], x: Tensor) -> list[Tensor]:
    stacks = [blocks_of(list(network.layers)) for network in networks]
    layers = [stack[0].linear for stack in stacks]
    weight, bias = torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers])
    act = stacks[0][0].activation
    assert act is not None
    answers = in_place(act, torch.addmm(bias, x, weight.t())).chunk(len(networks), dim=1)
    for depth in range(1, len(stacks[0])):
        layers = [stack[depth].linear for stack in stacks]
        act = stacks[0][depth].activation
        if act is None:
            return [
                torch.addmm(layer.bias, z, layer.weight.t()) for layer, z in zip(layers, answers, strict=True)
            ]
        buffer = x.new_empty(len(networks), len(x), layers[0].out_features)
        for layer, z, out in zip(layers, answers, buffer, strict=True):
            torch.addmm(layer.bias, z, layer.weight.t(), out=out)
        answers = in_place(act, buffer).unbind(0)
    raise AssertionError("an MLP ends in a linear layer")
