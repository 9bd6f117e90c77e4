"""A multi-layer perceptron: the energy's network for tables and embeddings."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ebmood.networks.activation import PIECEWISE_LINEAR, Activation, activation
from ebmood.networks.taylor import Parabola, parabola
from ebmood.networks.without_autograd import InputGradient, blocks_of, forward


class MLP(nn.Module):
    """`features -> hidden[0] -> ... -> outputs`, an activation after every layer but the last.

    Args:
        features: number of input columns D.
        hidden: widths of the hidden layers.
        outputs: number of logits K.
        activation_name: the activation between layers.
        slope: LeakyReLU's negative slope.
        batch_norm: batch normalisation after each hidden linear layer.
        bias: linear layers add a bias.

    Attributes:
        piecewise_linear: so are the logits, as functions of x: no logit has any curvature.

    Shapes:
        `(N, D) -> (N, K)`
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int],
        outputs: int,
        activation_name: Activation = "leaky_relu",
        slope: float = 0.01,
        batch_norm: bool = False,
        bias: bool = True,
    ):
        super().__init__()
        self.batch_norm = batch_norm
        self.outputs = outputs
        self.piecewise_linear = activation_name in PIECEWISE_LINEAR
        layers: list[nn.Module] = []
        width = features
        for wider in hidden:
            layers.append(nn.Linear(width, wider, bias=bias))
            if batch_norm:
                layers.append(nn.BatchNorm1d(wider))
            layers.append(activation(activation_name, slope))
            width = wider
        layers.append(nn.Linear(width, outputs, bias=bias))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of `x`."""
        reduced = torch.is_autocast_enabled(x.device.type)  # which the passes without autograd do not see
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or reduced:
            return self.layers(x)
        return forward(blocks_of(list(self.layers)), x)

    def input_gradient(self, cotangent: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """See `ebmood.networks.gradients`, in closed form; without batch norm only."""
        return InputGradient(blocks_of(list(self.layers)), cotangent)

    def parabola(self, x: Tensor, v: Tensor | None) -> Parabola:
        """See `ebmood.networks.taylor.parabola`; without batch norm only."""
        return parabola(blocks_of(list(self.layers)), x, v)
