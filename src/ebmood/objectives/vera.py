"""VERA: variational entropy regularised approximate maximum likelihood (Grathwohl et al. 2021, arXiv:2010.04230).

    log Z = max_q E_q[F(x)] + H(q)

A generator `q(x|h) = N(g(h), sigma^2)`, `h ~ N(0, I)` stands in for the chains. Three players move in turn:

- the **energy** lowers `-(mean F(x+) - mean F(x-)) + w_g mean |grad_x F(x+)|^2 / 2`, x- from the generator;
- the **generator** raises `mean F(x-) + w_H H(q)`;
- the **posterior** `xi(h'|h) = N(h, eta^2)`, centred on the h that made x, raises its evidence bound
  `E_xi [log q(x|h') + log p(h')] + H(xi)`; only its width eta is learnt.

The entropy's gradient (their eq. 9) is `grad H(q) = E[c(x)' dx/dphi]` with

    c(x) = -grad_x log q(x) = E_{q(h'|x)} [(x - g(h')) / sigma^2]

whose expectation is taken over samples of xi with self-normalised importance weights
`q(x|h') p(h') / xi(h'|h)`.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from ebmood.errors import EbmoodError
from ebmood.models import DensityModel, EnergyModel
from ebmood.networks import (
    MLP,
    Activation,
    NoisyGenerator,
    Precision,
    ResNetGenerator,
    multiplies_in_bf16,
    reduced,
)
from ebmood.objectives.objective import AdamW, Batch, Loss, Objective, ObjectiveSettings, Player, energy_model
from ebmood.seeding import global_torch_stream


class VariationalEntropy(Objective):
    """See the module's head."""

    def __init__(self, model: EnergyModel, generator: NoisyGenerator, settings: "VERA"):
        super().__init__()
        self.model: EnergyModel = model
        self.generator = generator
        self.log_eta = nn.Parameter(torch.full((generator.noise,), math.log(settings.posterior_width)))
        self.settings = settings

    def players(self) -> tuple[Player, ...]:
        """Three: energy, generator, posterior."""
        settings = self.settings
        return (
            Player("energy", tuple(self.model.parameters()), self.energy_loss, settings.energy),
            Player("generator", tuple(self.generator.parameters()), self.generator_loss, settings.generator),
            Player("posterior", (self.log_eta,), self.posterior_loss, settings.posterior),
        )

    def expect(self, steps: int, rows: int) -> None:
        """See `Objective.expect`: the posterior's samples are most of what goes through the generator.

        A flat MLP's gradient penalty saves about two passes more; other energies save nothing.
        """
        if isinstance(self.model.network, MLP) and self.model.flat:
            self.model.expect(2 * steps, rows)
        if isinstance(self.generator.network, MLP):
            self.generator.network.expect(steps * self.settings.posterior_samples, rows)

    def energy_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """The energy's loss on a batch and as many samples of the generator."""
        with torch.no_grad():
            negatives, _ = self.generator.sample(len(batch.x), generator)
        data, squares, _ = self.model.slices(batch.x, None)
        samples = self.model.log_density(negatives)
        data, negative, penalty = data.mean(), samples.mean(), squares.mean()
        loss = negative - data + self.settings.gradient_penalty * penalty
        logs = {"data": data.detach(), "negatives": negative.detach(), "gradient": penalty.detach()}
        return loss, logs

    def generator_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """The generator's loss: lower is higher F and higher entropy."""
        self.generator.clamp()
        x, h = self.generator.sample(len(batch.x), generator)
        density, slope = self.model.climb()(x.detach())
        along = (slope * x).flatten(1).sum(1)
        loss = -(density + (along - along.detach())).mean()  # F, whose gradient by x is known
        if self.settings.entropy_weight:
            direction = self.entropy_direction(x.detach(), h, generator)
            loss = loss - self.settings.entropy_weight * (direction * x).flatten(1).sum(1).mean()
        return loss, {"sigma": self.generator.log_sigma.detach().exp()}

    def posterior_loss(self, batch: Batch, generator: torch.Generator) -> Loss:
        """Minus the evidence bound of xi, with one reparametrised sample a row, less what eta does not change."""
        with torch.no_grad():
            x, h = self.generator.sample(len(batch.x), generator)
        noise = torch.empty_like(h).normal_(generator=generator)
        near = h + self.log_eta.exp() * noise
        bound = self.log_joint(x, near).mean() + self.log_eta.sum()
        return -bound, {"eta": self.log_eta.detach().exp().mean()}

    @torch.no_grad()
    def entropy_direction(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Tensor:
        """`c(x) = -grad_x log q(x)`: samples x `(N, *shape)` made from h `(N, noise)` -> `(N, *shape)`."""
        count = self.settings.posterior_samples
        noise = h.new_empty(count, *h.shape).normal_(generator=generator)
        eta, precision = self.log_eta.exp(), (-2 * self.generator.log_sigma).exp()
        network = self.generator.network
        if isinstance(network, MLP):
            half = self.settings.precision == "bf16" and multiplies_in_bf16(x.device.type)
            found = network.posterior(x, h, noise, eta, precision, half)
            if found is not None:
                return found
        near = h + eta * noise
        with reduced(self.settings.precision, x.device):
            mean = self.generator(near.flatten(0, 1)).to(x.dtype).view(count, *x.shape)
        away = mean.sub_(x)  # and its sign at the end
        # Constants of the three log-densities cancel in the softmax, as do terms in eta alone.
        log_weight = (
            -0.5 * precision * away.square().flatten(2).sum(2)
            - 0.5 * near.square().sum(2)
            + 0.5 * noise.square().sum(2)
        )
        weight = log_weight.softmax(0).view(count, len(x), *[1] * (x.ndim - 1))
        return -precision * away.mul_(weight).sum(0)

    @torch.no_grad()
    def negatives_to_show(self, count: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Samples of the generator, without its noise: what it has learnt to draw."""
        h = self.log_eta.new_empty(count, self.generator.noise).normal_(generator=generator)
        return {"generator": self.generator(h)}

    def log_joint(self, x: Tensor, h: Tensor) -> Tensor:
        """`log q(x|h) + log p(h)` up to terms in sigma alone: `(N, *shape), (N, noise) -> (N,)`."""
        precision = (-2 * self.generator.log_sigma).exp()
        away = (x - self.generator(h)).square().flatten(1).sum(1)
        return -0.5 * precision * away - 0.5 * h.square().sum(1)


class VERA(ObjectiveSettings):
    """Settings of VERA; the defaults are the protocol's for tables without labels.

    Attributes:
        noise: dimension of h.
        hidden: widths of the generator's hidden layers, each with batch normalisation; it has no biases.
        activation, slope: between the generator's layers.
        resnet_channels: feature maps of a ResNet generator, which images need in place of that MLP; None for tables.
        entropy_weight: w_H; at 1 the model is trained at temperature one.
        gradient_penalty: w_g.
        posterior_samples: samples of h' a row, for the entropy's gradient.
        posterior_width: eta at the start.
        precision: `bf16` has the generator make the posterior's samples in bfloat16, where the device does so; None
            for float32 throughout.
        compiled: whether training on a CPU uses compiled passes of the MLP generator; as `EnergyMLP` has it.
        sigma: the generator's output width at the start; `sigma_bounds` the interval it is kept in.
        energy, generator, posterior: optimisers.
    """

    kind: Literal["vera"] = "vera"
    noise: int = 16
    hidden: tuple[int, ...] = (100, 100, 100, 100, 100)
    activation: Activation = "leaky_relu"
    slope: float = 0.01
    resnet_channels: int | None = None
    entropy_weight: float = 1e-4
    gradient_penalty: float = 0.1
    posterior_samples: int = 20
    posterior_width: float = 0.1
    precision: Precision | None = None
    compiled: bool | None = None
    sigma: float = 0.01
    sigma_bounds: tuple[float, float] = (0.01, 0.3)
    energy: AdamW = AdamW(lr=3e-5, betas=(0.0, 0.9))
    generator: AdamW = AdamW(lr=6e-5, betas=(0.0, 0.9))
    posterior: AdamW = AdamW(lr=3e-5, betas=(0.0, 0.9))

    def start(
        self, model: DensityModel, classes: int, shape: tuple[int, ...], seed: int
    ) -> VariationalEntropy:
        """See `ObjectiveSettings.start`."""
        with global_torch_stream(seed, "generator"):
            network = self._network(shape)
        generator = NoisyGenerator(network, self.noise, self.sigma, self.sigma_bounds)
        return VariationalEntropy(energy_model(model, "VERA"), generator, self)

    def _network(self, shape: tuple[int, ...]) -> nn.Module:
        if self.resnet_channels is not None:
            return ResNetGenerator(self.noise, shape, self.resnet_channels)
        if len(shape) != 1:
            raise EbmoodError(
                f"VERA's MLP generator makes rows, not {tuple(shape)}: set `resnet_channels` for images"
            )
        return MLP(
            self.noise,
            self.hidden,
            shape[0],
            self.activation,
            self.slope,
            batch_norm=True,
            bias=False,
            compiled=self.compiled,
        )
