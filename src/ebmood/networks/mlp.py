"""A multi-layer perceptron."""

from collections.abc import Sequence

from torch import Tensor, nn

from ebmood.networks.activation import Activation, activation


class MLP(nn.Module):
    """A multi-layer perceptron with an activation after every layer but the last.

    Args:
        features: number of input columns D.
        hidden: widths of the hidden layers.
        outputs: number of logits K.
        activation_name: the activation between layers.
        slope: negative slope of LeakyReLU.
        batch_norm: whether batch normalisation follows each hidden linear layer.
        bias: whether linear layers add a bias.

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
        layers: list[nn.Module] = []
        width = features
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width, bias=bias))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(activation(activation_name, slope))
            width = next_width
        layers.append(nn.Linear(width, outputs, bias=bias))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of rows `x`."""
        return self.layers(x)
