"""Networks and rows for tests, and a mark for tests that need a C++ compiler."""

from typing import get_args

import pytest
import torch

from ebmood.fast.activations import ACTIVATIONS
from ebmood.fast.native import compiler
from ebmood.networks import MLP, Activation, WideResNet, activation

FAST_ACTIVATIONS = [name for name in get_args(Activation) if isinstance(activation(name), ACTIVATIONS)]
"""The activations that `ebmood.fast` takes."""

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler (CXX, g++, c++, clang++)")


def random_mlp(activation: str, outputs: int, dtype=torch.float64, hidden=(20, 31, 6), **settings) -> MLP:
    torch.manual_seed(0)
    return MLP(7, hidden, outputs, activation, 0.2, **settings).to(dtype)


def random_wideresnet(channels: int = 3, outputs: int = 3, dtype=torch.float64, **settings) -> WideResNet:
    """A WideResNet whose biases are random, too."""
    torch.manual_seed(0)
    network = WideResNet(channels, outputs, **settings).to(dtype)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def rows(count: int, *shape: int, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, *shape, generator=generator, dtype=torch.float64).to(dtype)
