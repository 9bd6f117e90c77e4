"""A noise-conditional energy: one network for the log-densities of the data at several noise levels.

    log p_l(x) = log q_l(x) + f(x)[l] / sigma_l - log Z_l,    p_l = p_data * N(0, sigma_l^2 I)

q_l is a base mixture convolved with the same noise, in closed form. (Song & Ermon 2019; an energy instead of a score:
Saremi et al. 2018, "Deep energy estimator networks".) One pass of the network gives all levels, so that all levels cost
as much as one. Scores at level l are of size 1 / sigma_l; the division by sigma_l therefore gives network outputs of
equal size equal importance at every level.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ebmood.models.density import DensityModel
from ebmood.models.mixture import TiedMixture


class DenoisingEnergy(DensityModel):
    """Log-densities at L noise levels, each up to a constant; the formula is in the module's docstring.

    Args:
        base: q; training does not change it.
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
        """Return `log p_l(x) + log Z_l` of every level: `(N, D) -> (N, L)`."""
        return self.base.smoothed_log_density(x, self.sigmas) + self.network(x) / self.sigmas.to(x.dtype)

    def log_density(self, x: Tensor) -> Tensor:
        """Return the log-density of the first level, up to a constant: `(N, D) -> (N,)`."""
        return self.log_densities(x)[:, 0]
