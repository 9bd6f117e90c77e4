"""The input gradient without autograd equals that of autograd, for every activation."""

import pytest
import torch
from helpers.networks import FAST_ACTIVATIONS, random_mlp, rows

from ebmood.fast.mlp_layers import InplaceGradient, layers_of
from ebmood.models import EnergyModel


@pytest.mark.parametrize("activation", FAST_ACTIVATIONS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_and_gradients(activation, outputs):
    network = random_mlp(activation, outputs, hidden=(20, 30))
    inplace = InplaceGradient(layers_of(network))
    every_row = rows(300, 7)
    results = []
    for x in (every_row, every_row[:100], every_row[100:200]):  # buffers are allocated again, or reused
        for y in (None, torch.arange(len(x)) % outputs):
            _, expected = EnergyModel(network).value_and_grad(x, y)
            logits, gradient = inplace(x.clone(), y)
            results.append((gradient, expected))
            torch.testing.assert_close(logits, network(x).detach(), rtol=1e-11, atol=1e-11)
    for gradient, expected in results:  # later calls do not overwrite earlier results
        torch.testing.assert_close(gradient, expected, rtol=1e-11, atol=1e-11)


def test_rows_are_not_modified():
    x = rows(5, 7)
    before = x.clone()
    InplaceGradient(layers_of(random_mlp("relu", 2)))(x, None)
    assert torch.equal(x, before)


def test_layers():
    layers = layers_of(random_mlp("silu", 2, batch_norm=True))
    assert [layer.linear.out_features for layer in layers] == [20, 31, 6, 2]
    assert [layer.norm is not None for layer in layers] == [True, True, True, False]
    assert layers[-1].activation is None
