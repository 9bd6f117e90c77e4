"""A noise-conditional energy: one network that knows the log-densities of the data at several levels of noise.

    log p_l(x) = log q_l(x) + f(x)[l] / sigma_l - log Z_l,    p_l = p_data * N(0, sigma_l^2 I)

with q_l the base mixture under the same noise, in closed form. (Song & Ermon 2019; the energy instead of the score:
Saremi et al. 2018, "Deep energy estimator networks".) One pass of the network gives all levels, so scoring costs as
much as for one. The division by sigma_l makes outputs of equal size matter equally at every level: scores have size
1 / sigma_l.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ebmood.models.density import DensityModel
from ebmood.models.mixture import TiedMixture


class DenoisingEnergy(DensityModel):
    """Log-densities at L levels of noise, each up to a constant; see the module's head.

    Args:
        base: q; it is left as it is in training.
        network: f, `(N, D) -> (N, L)`.
        sigmas: standard deviations of the noise, L of them.
    """

    sigmas: Tensor

    def __init__(self, base: TiedMixture, network: nn.Module, sigmas: Sequence[float]):
        super().__init__()
        self.base = base
        self.network = network
        self.register_buffer("sigmas", torch.tensor(sigmas, dtype=torch.float64))

    def log_densities(self, x: Tensor) -> Tensor:
        """`log p_l(x)` of every level, each up to a constant: `(N, D) -> (N, L)`."""
        return self.base.smoothed_log_density(x, self.sigmas) + self.network(x) / self.sigmas.to(x.dtype)

    def log_density(self, x: Tensor) -> Tensor:
        """At the first level, up to a constant: `(N, D) -> (N,)`."""
        return self.log_densities(x)[:, 0]
