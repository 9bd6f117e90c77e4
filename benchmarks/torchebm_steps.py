"""Training steps of torchebm with the settings of this package: Langevin chains, persistent CD and SSM.

Needs `pip install torchebm`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchebm.core import BaseModel
from torchebm.losses import ContrastiveDivergence, SlicedScoreMatching
from torchebm.samplers import LangevinDynamics


class Energy(BaseModel):
    """`E(x) = -f(x)` for a network with one logit."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return -self.network(x)[:, 0]


def make_sampler(energy: Energy) -> LangevinDynamics:
    """Return the chain `x - a grad E + b N(0, I)` with the published a = 1, b = 0.01; `b = noise_scale sqrt(2 a)`."""
    return LangevinDynamics(energy, step_size=1.0, noise_scale=0.01 / math.sqrt(2))


def langevin(network: nn.Module, x: Tensor) -> Callable[[], object]:
    sampler = make_sampler(Energy(network))
    return lambda: sampler.sample(x=x, n_steps=10)


def cd(network: nn.Module, x: Tensor) -> Callable[[], None]:
    energy = Energy(network)
    loss = ContrastiveDivergence(
        energy,
        make_sampler(energy),
        k_steps=100,
        persistent=True,
        buffer_size=9_000,
        init_steps=0,
        new_sample_ratio=0.05,
        energy_reg_weight=1.0,
    )
    return training_step(energy, lambda: loss(x)[0])


def ssm(network: nn.Module, x: Tensor) -> Callable[[], None]:
    energy = Energy(network)
    loss = SlicedScoreMatching(energy, n_projections=1)
    return training_step(energy, lambda: loss(x))


def training_step(energy: Energy, loss: Callable[[], Tensor]) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(energy.parameters(), lr=1e-4, weight_decay=0.0)

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()

    return step
