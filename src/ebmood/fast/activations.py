"""Activations and their derivatives in closed form."""

import torch
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.SiLU, nn.Softplus, nn.ELU, nn.Tanh)
"""Activations with closed forms; a network with any other one keeps the reference."""


def is_smooth(module: nn.Module | None) -> bool:
    """Return whether a module is one of `ACTIVATIONS` that has a second derivative."""
    return isinstance(module, ACTIVATIONS) and not isinstance(module, nn.ReLU | nn.LeakyReLU)


def activation_derivatives(
    activation: nn.Module | None, z: Tensor, second: bool, third: bool, out: Tensor
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the derivatives of the activation at z, the second and third on request, and write its value to `out`."""
    match activation:
        case nn.SiLU():
            s = torch.sigmoid(z)
            ds = torch.addcmul(s, s, s, value=-1)
            dds = torch.addcmul(ds, ds, s, value=-2)
            d2 = (z * dds).add_(ds, alpha=2)
            d3 = torch.addcmul(ds, ds, ds, value=-6).mul_(z).add_(dds, alpha=3) if third else None
            torch.mul(z, s, out=out)
            return torch.addcmul(s, z, ds), d2, d3
        case nn.Softplus():
            s = torch.sigmoid(activation.beta * z)
            ds = activation.beta * torch.addcmul(s, s, s, value=-1)
            d3 = activation.beta * torch.addcmul(ds, ds, s, value=-2) if third else None
            out.copy_(nn.functional.softplus(z, activation.beta, activation.threshold))
            return s, ds, d3
        case nn.Tanh():
            a = torch.tanh(z, out=out)
            d1 = 1 - a * a
            return d1, -2 * a * d1, -2 * d1 * (1 - 3 * a * a) if third else None
        case nn.ELU():
            a = out.copy_(nn.functional.elu(z, activation.alpha))
            negative = (a + activation.alpha).masked_fill_(z > 0, 0)
            return negative.masked_fill(z > 0, 1), negative, negative if third else None
        case nn.ReLU() | nn.LeakyReLU():
            slope = activation.negative_slope if isinstance(activation, nn.LeakyReLU) else 0.0
            # The derivative by torch's backward function: filling by a mask is fifteen times slower.
            d1 = torch.ops.aten.leaky_relu_backward(z.new_ones(()).expand_as(z), z, slope, False)
            zeros = torch.zeros_like(z) if second else None
            torch.mul(z, d1, out=out)
            return d1, zeros, zeros if third else None
        case _:
            raise TypeError(
                f"unknown activation {type(activation).__name__}: add it to `activation_derivatives`"
            )
