"""Activations by name, and which of them are smooth."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "leaky_relu", "silu", "softplus", "elu", "tanh"]

PIECEWISE_LINEAR: frozenset[str] = frozenset({"relu", "leaky_relu"})
"""Activations whose second derivative is zero almost everywhere: score matching cannot learn on them."""


def activation(name: Activation, slope: float = 0.01) -> nn.Module:
    """Return the activation module called `name`.

    Args:
        name: one of `Activation`.
        slope: negative slope of `leaky_relu`; all other activations ignore it.
    """
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


def is_smooth(name: Activation) -> bool:
    """Return whether the activation has a second derivative that is not zero almost everywhere.

    >>> is_smooth("silu"), is_smooth("leaky_relu")
    (True, False)
    """
    return name not in PIECEWISE_LINEAR
