"""A multi-layer perceptron: the energy's network for tables and embeddings."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from ebmood.networks.activation import PIECEWISE_LINEAR, Activation, activation
from ebmood.networks.compiled import CompiledPasses, Layers
from ebmood.networks.taylor import Parabola, parabola
from ebmood.networks.watched import watched
from ebmood.networks.without_autograd import Block, InputGradient, blocks_of, forward


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
        compiled: whether training uses compiled passes; None where that pays. See `expect`.

    Attributes:
        piecewise_linear: so are the logits, as functions of x: no logit has any curvature.
        passes: compiled ones, where a training has them; see `expect`.

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
        compiled: bool | None = None,
    ):
        super().__init__()
        self.compiled = compiled
        self.passes: CompiledPasses | None = None
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
        reduced = torch.is_autocast_enabled(
            x.device.type
        )  # which neither compiled passes nor those below see
        if torch.compiler.is_compiling() or reduced:
            return self.layers(x)
        learning = torch.is_grad_enabled()
        if self.training and self.passes is not None:
            layers = Layers(self._blocks)
            if learning and self.passes.watch(layers, x):
                return watched(layers, self.passes, x)
            if not learning and self.passes.normalise(layers, x):
                return self.passes.normalised(layers, x)
        return self.layers(x) if learning else forward(self._blocks, x)

    def expect(self, passes: int, rows: int) -> None:
        """Time to prepare for a training on a CPU: passes are compiled where that is chosen, or pays and is not barred.

        Compiled passes are for training; in evaluation mode all is eager.

        Args:
            passes: of batches through the network, which autograd will not watch.
            rows: in each.
        """
        weights = [layer.weight for layer in self.layers if isinstance(layer, nn.Linear)]
        work = rows * sum(weight.numel() for weight in weights)
        chosen = CompiledPasses.pays(passes, work) if self.compiled is None else self.compiled
        self.passes = CompiledPasses.found(weights[0].dtype) if chosen and not weights[0].is_cuda else None

    def input_gradient(self, chosen: Tensor | None) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        """See `ebmood.networks.gradients`, in closed form; without batch norm only."""
        blocks = self._blocks
        eager, compiled = InputGradient(blocks, chosen), self.passes if self.training else None

        def gradient(x: Tensor) -> tuple[Tensor, Tensor]:
            if compiled is not None:
                layers = Layers(blocks)
                if compiled.fit(layers, x, chosen):
                    return compiled.gradient(layers, x, chosen)
            return eager(x)

        return gradient

    def posterior(
        self, x: Tensor, h: Tensor, noise: Tensor, eta: Tensor, precision: Tensor, half: bool
    ) -> Tensor | None:
        """See `CompiledPasses.posterior`; None where nothing is compiled, or cannot take these."""
        if not self.training or self.passes is None:
            return None
        layers = Layers(self._blocks)
        if not self.passes.normalise(layers, h):
            return None
        half = half and self.passes.halve(layers, h)
        return self.passes.posterior(layers, x, h, noise, eta, precision, half)

    def parabola(self, x: Tensor, v: Tensor | None) -> Parabola:
        """See `ebmood.networks.taylor.parabola`; without batch norm only."""
        return parabola(self._blocks, x, v, self.passes if self.training else None)

    @property
    def _blocks(self) -> list[Block]:
        return blocks_of(list(self.layers))
