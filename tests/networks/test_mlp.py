"""The multi-layer perceptron against its formula."""

import torch
from torch import nn

from ebmood.networks import MLP


def test_an_activation_follows_every_layer_but_the_last():
    torch.manual_seed(0)
    network = MLP(3, (5, 4), 2, "silu")
    x = torch.randn(6, 3)
    first, _, second, _, last = network.layers
    expected = last(nn.functional.silu(second(nn.functional.silu(first(x)))))
    torch.testing.assert_close(network(x), expected)


def test_without_hidden_layers_it_is_linear():
    network = MLP(3, (), 2)
    assert [type(layer) for layer in network.layers] == [nn.Linear]


def test_batch_normalisation_makes_biases_optional():
    network = MLP(3, (5,), 2, batch_norm=True, bias=False)
    assert [type(layer) for layer in network.layers] == [nn.Linear, nn.BatchNorm1d, nn.LeakyReLU, nn.Linear]
    assert all(layer.bias is None for layer in network.layers if isinstance(layer, nn.Linear))
