"""Denoising score matching (Vincent 2011; at several levels of noise: Song & Ermon 2019, eq. 6 with weight sigma^2).

    J = E_x E_l E_e | sigma_l grad log p_l(x + sigma_l e) + e |^2,    e ~ N(0, I)

Its minimum is the score of the noisy data at every level. Neither normalisation nor second derivatives with respect
to x are needed.
"""

import torch

from ebmood.models.denoising import DenoisingEnergy
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, Player


class DenoisingScoreMatching(Objective):
    """See the module's head.

    Args:
        model: what is trained; only its network moves.
        optimiser: of the network.
    """

    model: DenoisingEnergy

    def __init__(self, model: DenoisingEnergy, optimiser: AdamW):
        super().__init__()
        self.model = model
        self.optimiser = optimiser

    def players(self) -> tuple[Player, ...]:
        """One: the energy."""
        return (Player("energy", tuple(self.model.network.parameters()), self.loss, self.optimiser),)

    def loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """J on a batch, with one level drawn for each row: a mean over rows of sums over coordinates."""
        x = batch.x
        levels = torch.randint(len(self.model.sigmas), (len(x), 1), generator=generator, device=x.device)
        sigma = self.model.sigmas.to(x.dtype)[levels]
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        noisy = (x + sigma * noise).requires_grad_(True)
        fixed = self.model.base.smoothed_score(noisy, sigma)  # it does not depend on what is trained
        learnt = self.model.network(noisy).gather(1, levels) / sigma
        (moving,) = torch.autograd.grad(learnt.sum(), noisy, create_graph=True)
        return (sigma * (fixed + moving) + noise).square().sum(1).mean(), {}
