"""The held-out contrast is a proper score that does not depend on the constant of a model."""

import math

import pytest
import torch

from ebmood.models import DensityModel, TiedMixture
from ebmood.objectives.held_out import WIDEN, held_out_contrast


class Shifted(DensityModel):
    """A standard normal with another constant, mean and variance."""

    def __init__(self, constant: float = 0.0, mean: float = 0.0, variance: float = 1.0):
        super().__init__()
        self.mixture = TiedMixture(2, 1)
        self.mixture.means.fill_(mean)
        self.mixture.variances.fill_(variance)
        self.constant = constant

    def log_density(self, x):
        return self.mixture.log_density(x) + self.constant


def loss(model: DensityModel, x: torch.Tensor) -> float:
    return float(held_out_contrast(model, TiedMixture(2, 1), x))


def test_the_constant_of_the_model_does_not_matter(noise):
    x = torch.randn(300, 2, generator=noise)
    assert loss(Shifted(1000.0), x) == pytest.approx(loss(Shifted(), x), abs=1e-6)


def test_the_density_of_the_data_has_the_lowest_loss(noise):
    x = 0.5 + 0.7 * torch.randn(2000, 2, generator=noise)
    truth = loss(Shifted(mean=0.5, variance=0.49), x)
    others = [Shifted(), Shifted(mean=0.3, variance=0.49), Shifted(mean=0.5, variance=0.3), Shifted(mean=0.5)]
    assert truth < min(loss(other, x) for other in others) < 2 * math.log(2)


def test_the_density_of_the_noise_has_a_loss_of_two_log_two(noise):
    class Noise(DensityModel):
        def log_density(self, x):
            base = TiedMixture(2, 1)
            return torch.logaddexp(base.log_density(x), base.widened(WIDEN).log_density(x)) + 3

    assert loss(Noise(), torch.randn(50, 2, generator=noise)) == pytest.approx(2 * math.log(2))
