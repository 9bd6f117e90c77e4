"""An energy anchored on a normalised density: the network learns only what the base does not say.

    log p(x, y) = log q(x, y) + f(x)[y] - log Z

(Gutmann & Hyvarinen 2012; residual energy models: Deng et al. 2020.) Far from the data log q falls quadratically while
a network grows linearly at most, so p falls wherever q does: where plain energy models fail.
"""

from torch import Tensor, nn

from ebmood.models.energy import EnergyModel, Slices
from ebmood.models.mixture import TiedMixture
from ebmood.networks import InputGradients, input_gradient


class AnchoredEnergy(EnergyModel):
    """An energy model whose logits are `log q(x, y) + f(x)[y]`; see the module's head.

    Args:
        base: q; it is left as it is in training.
        network: f, `(N, D) -> (N, C)` with one output for every class of `base`.
    """

    def __init__(self, base: TiedMixture, network: nn.Module):
        super().__init__(network)
        self.base = base

    def logits(self, x: Tensor) -> Tensor:
        """`log q(x, y) + f(x)[y]`: `(N, D) -> (N, C)`."""
        return self.base.class_log_density(x) + self.network(x)

    def log_density(self, x: Tensor) -> Tensor:
        """`log p(x) + log Z`: `(N, D) -> (N,)`."""
        return self.logits(x).logsumexp(1)

    @property
    def flat(self) -> bool:
        """The base bends everywhere."""
        return False

    def input_gradient(self, y: Tensor | None) -> InputGradients:
        """See `EnergyModel.input_gradient`; the base has its part in it."""
        return input_gradient(self.logits, y)

    def slices(self, x: Tensor, v: Tensor | None) -> Slices:
        """See `EnergyModel.slices`; likewise."""
        return self.slices_by_autograd(x, v)
