"""VERA: variational entropy regularised approximate maximum likelihood (Grathwohl et al. 2021, arXiv:2010.04230).

    log Z = max_q E_q[F(x)] + H(q)

A generator `q(x|h) = N(g(h), sigma^2)`, `h ~ N(0, I)`, replaces the chains. Three players are updated in turn:

- the **energy** minimises `-(mean F(x+) - mean F(x-)) + w_g mean |grad_x F(x+)|^2 / 2`, with x- from the generator;
- the **generator** maximises `mean F(x-) + w_H H(q)`;
- the **posterior** `xi(h'|h) = N(h, eta^2)`, centred on the h from which x was generated, maximises its evidence bound
  `E_xi [log q(x|h') + log p(h')] + H(xi)`; only its width eta is learnt.

The gradient of the entropy (their eq. 9) is `grad H(q) = E[c(x)' dx/dphi]` with

    c(x) = -grad_x log q(x) = E_{q(h'|x)} [(x - g(h')) / sigma^2]

The expectation is estimated from samples of xi with self-normalised importance weights `q(x|h') p(h') / xi(h'|h)`.
"""

import math
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator, PositiveInt
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError
from ebmood.core.seeding import global_torch_stream
from ebmood.core.settings import NonNegative, Positive, increasing
from ebmood.models import AnchoredEnergy, DensityModel, EnergyModel, TiedMixture
from ebmood.networks import MLP, Activation, NoisyGenerator, Precision, ResNetGenerator, autocast
from ebmood.objectives.held_out import held_out_contrast
from ebmood.objectives.objective import (
    AdamW,
    Batch,
    Loss,
    Objective,
    ObjectiveSettings,
    Player,
    require_energy_model,
)


class VariationalEntropy(Objective):
    """VERA; the formulas are in the module's docstring."""

    def __init__(self, model: EnergyModel, generator: NoisyGenerator, settings: "VERA"):
        super().__init__()
        self.model: EnergyModel = model
        self.generator = generator
        self.log_eta = nn.Parameter(torch.full((generator.noise,), math.log(settings.posterior_width)))
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """Return the three players: energy, generator, posterior."""
        settings = self.settings
        return (
            Player("energy", tuple(self.model.parameters()), self.energy_loss, settings.energy),
            Player("generator", tuple(self.generator.parameters()), self.generator_loss, settings.generator),
            Player("posterior", (self.log_eta,), self.posterior_loss, settings.posterior),
        )

    def validation_loss(self, x: Tensor) -> Tensor:
        """Return the contrast of held-out rows with the base, see `held_out_contrast`.

        Raises:
            NotImplementedError: the model has no base density.
        """
        if not isinstance(self.model, AnchoredEnergy):
            return super().validation_loss(x)
        return held_out_contrast(self.model, self.model.base, x)

    def energy_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return the energy's loss of a batch and equally many samples of the generator."""
        with torch.no_grad():
            x, _ = self.generator.sample(len(batch.x), generator)
        if self.settings.gradient_penalty:
            data, half_square, _ = self.model.score_matching_terms(batch.x, None)
            negatives = self.model.log_density(x)
        else:
            data, negatives = self.model.log_density(torch.cat([batch.x, x])).chunk(2)
            half_square = torch.zeros_like(data)
        data, negatives, penalty = data.mean(), negatives.mean(), half_square.mean()
        loss = negatives - data + self.settings.gradient_penalty * penalty
        logs = {"data": data.detach(), "negatives": negatives.detach(), "gradient": penalty.detach()}
        return loss, logs

    def generator_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return the generator's loss, whose gradient is that of `-mean F(x-) - w_H H(q)`."""
        self.generator.clamp()
        x, h = self.generator.sample(len(batch.x), generator)
        loss = -self.model.log_density(x).mean()
        if self.settings.entropy_weight:
            noise = h.new_empty(self.settings.posterior_samples, *h.shape).normal_(generator=generator)
            direction = self.entropy_gradient(x.detach(), h, noise)
            loss = loss - self.settings.entropy_weight * (direction * x).flatten(1).sum(1).mean()
        return loss, {"sigma": self.generator.log_sigma.detach().exp()}

    def posterior_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Return minus the evidence bound of xi, with one reparametrised sample per row, up to constants in eta."""
        with torch.no_grad():
            x, h = self.generator.sample(len(batch.x), generator)
        noise = torch.empty_like(h).normal_(generator=generator)
        proposal = h + self.log_eta.exp() * noise
        bound = self.log_joint(x, proposal).mean() + self.log_eta.sum()
        return -bound, {"eta": self.log_eta.detach().exp().mean()}

    @torch.no_grad()
    def entropy_gradient(self, x: Tensor, h: Tensor, noise: Tensor) -> Tensor:
        """Return `c(x) = -grad_x log q(x)`, estimated from S samples `h' = h + eta * noise` of the posterior.

        Args:
            x: samples of the generator, `(N, *shape)`.
            h: the noise from which they were generated, `(N, noise)`.
            noise: standard normal numbers, `(S, N, noise)`.

        Returns:
            `(N, *shape)`.
        """
        proposals = h + self.log_eta.exp() * noise
        precision = (-2 * self.generator.log_sigma).exp()
        with autocast(self.settings.precision, x.device):
            mean = self.generator(proposals.flatten(0, 1)).to(x.dtype).view(len(noise), *x.shape)
        difference = x - mean
        # Normalising constants cancel in the softmax.
        log_q_x = -0.5 * precision * difference.square().flatten(2).sum(2)
        log_prior = -0.5 * proposals.square().sum(2)
        log_xi = -0.5 * noise.square().sum(2)
        weights = (log_q_x + log_prior - log_xi).softmax(0)
        weights = weights.view(*weights.shape, *[1] * (x.ndim - 1))
        return precision * (weights * difference).sum(0)

    @torch.no_grad()
    def sample_negatives(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Return means `g(h)` of the generator, without its output noise."""
        h = self.log_eta.new_empty(count, self.generator.noise).normal_(generator=generator)
        return {"generator": self.generator(h)}

    def log_joint(self, x: Tensor, h: Tensor) -> Tensor:
        """Return `log q(x|h) + log p(h)` up to terms in sigma alone: `(N, *shape), (N, noise) -> (N,)`."""
        precision = (-2 * self.generator.log_sigma).exp()
        squared_distance = (x - self.generator(h)).square().flatten(1).sum(1)
        return -0.5 * precision * squared_distance - 0.5 * h.square().sum(1)


class VERA(ObjectiveSettings):
    """Settings of VERA; the defaults are the protocol's for tables without labels.

    Attributes:
        noise: dimension of h.
        hidden: widths of the generator's hidden layers, each with batch normalisation and without biases.
        activation, slope: activation of the generator.
        resnet_channels: channels of a ResNet generator, which images need instead of the MLP; None for tables.
        entropy_weight: w_H; with 1 the model is trained at temperature one.
        gradient_penalty: w_g.
        posterior_samples: S, samples of h' per row for the gradient of the entropy.
        posterior_width: initial eta.
        precision: `bf16` computes the generator's means at the posterior's samples in bfloat16, on devices that support
            it; None for float32 throughout.
        sigma: initial output width of the generator.
        sigma_bounds: smallest and largest sigma.
        start: `base` adds a linear map to the generator, whose samples have the mean and the covariance of the base of
            an anchored model at the start of the training, and initialises the rest with zero. None for neither.
        energy, generator, posterior: optimisers of the players.
    """

    kind: Literal["vera"] = "vera"
    noise: PositiveInt = 16
    hidden: tuple[PositiveInt, ...] = (100, 100, 100, 100, 100)
    activation: Activation = "leaky_relu"
    slope: NonNegative = 0.01
    resnet_channels: PositiveInt | None = None
    entropy_weight: NonNegative = 1e-4
    gradient_penalty: NonNegative = 0.1
    posterior_samples: PositiveInt = 20
    posterior_width: Positive = 0.1
    precision: Precision | None = None
    sigma: Positive = 0.01
    sigma_bounds: Annotated[tuple[Positive, Positive], AfterValidator(increasing)] = (0.01, 0.3)
    start: Literal["base"] | None = None
    energy: AdamW = AdamW(lr=3e-5, betas=(0.0, 0.9))
    generator: AdamW = AdamW(lr=6e-5, betas=(0.0, 0.9))
    posterior: AdamW = AdamW(lr=3e-5, betas=(0.0, 0.9))

    def build(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> VariationalEntropy:
        """Implement `ObjectiveSettings.build`.

        Raises:
            EbmoodError: the rows are images and `resnet_channels` is None.
        """
        with global_torch_stream(seed, "generator"):
            network = self._network(shape)
            if self.start == "base":
                network = _LinearStart(network, _base_of(model), self.noise, self.sigma)
        generator = NoisyGenerator(network, self.noise, self.sigma, self.sigma_bounds)
        return VariationalEntropy(require_energy_model(model, "VERA"), generator, self)

    def _network(self, shape: tuple[int, ...]) -> nn.Module:
        if self.resnet_channels is not None:
            return ResNetGenerator(self.noise, shape, self.resnet_channels)
        if len(shape) != 1:
            raise EbmoodError(
                f"VERA's MLP generator makes rows, not {tuple(shape)}: set `resnet_channels` for images"
            )
        return MLP(
            self.noise, self.hidden, shape[0], self.activation, self.slope, batch_norm=True, bias=False
        )


class _LinearStart(nn.Module):
    """A generator `g(h) = m + A h + r(h)`, with `A A' + sigma^2 I` close to the covariance of a mixture, and r = 0.

    Args:
        rest: r, an MLP `(N, noise) -> (N, D)`; its last layer is set to zero.
        base: the mixture, with mean m.
        noise: dimension of h; A has this many principal axes.
        sigma: output width of the generator.
    """

    def __init__(self, rest: nn.Module, base: TiedMixture, noise: int, sigma: float):
        super().__init__()
        self.rest = rest
        *_, last = (module for module in rest.modules() if isinstance(module, nn.Linear))
        nn.init.zeros_(last.weight)
        weights = base.log_weights.exp()
        used = weights > 0
        mean = weights[used] @ base.means[used]
        centred = base.means[used] - mean
        covariance = (
            centred.mT @ (weights[used, None] * centred) + (base.axes * base.variances) @ base.axes.mT
        )
        variances, axes = torch.linalg.eigh(covariance)
        count = min(noise, len(variances))
        scales = (variances[-count:] - sigma**2).clamp(min=0).sqrt()
        self.linear = nn.Linear(noise, len(variances))
        with torch.no_grad():
            self.linear.weight.zero_()
            self.linear.weight[:, :count] = axes[:, -count:] * scales
            self.linear.bias.copy_(mean)

    def forward(self, h: Tensor) -> Tensor:
        """Return `g(h)`: `(N, noise) -> (N, D)`."""
        return self.linear(h) + self.rest(h)


def _base_of(model: DensityModel) -> TiedMixture:
    if not isinstance(model, AnchoredEnergy):
        raise TypeError(f"VERA starts at the base of anchored energy models, not {type(model).__name__}")
    return model.base
