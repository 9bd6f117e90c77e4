"""Activations by name, and whether they bend: on a network that does not, score matching learns nothing."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu", "silu", "softplus", "elu", "tanh"]

PIECEWISE_LINEAR: frozenset[str] = frozenset({"relu", "leaky_relu"})


def activation(name: Activation, slope: float = 0.01) -> nn.Module:
    """The module called `name`; `slope` is LeakyReLU's on its negative side and is read by no other."""
    match name:
        case "relu":
            return nn.ReLU()
        case "leaky_relu":
            return nn.LeakyReLU(slope)
        case "silu":
            return nn.SiLU()
        case "softplus":
            return nn.Softplus()
        case "elu":
            return nn.ELU()
        case "tanh":
            return nn.Tanh()
