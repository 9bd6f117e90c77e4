"""Conditional noise-contrastive estimation recovers log-densities up to a constant."""

import math

import pytest
import torch
from helpers.quadratic import fit_precision, gaussian_rows, quadratic_model, relative_error

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import AdamW, Batch, ConditionalNCE
from ebmood.training import Training, make_fabric, train


def test_the_precision_of_a_gaussian_is_recovered(noise):
    settings = ConditionalNCE(sigmas=(1.0,), optimiser=AdamW(lr=3e-2))
    training = Training(steps=200, batch_size=1024, warmup=5, halve_every=15)
    assert relative_error(fit_precision(settings, gaussian_rows(4096, noise), training)) < 0.1


def test_the_log_density_of_a_known_mixture_is_recovered_up_to_a_constant(noise):
    """The two modes are 4 apart with weights 3 : 1, so that only pairs across the gap know the ratio of the weights."""
    torch.manual_seed(0)
    side = torch.where(torch.rand(20_000, 1, generator=noise) < 0.75, -2.0, 2.0)
    x = side + torch.randn(20_000, 1, generator=noise)
    objective = ConditionalNCE(sigmas=(1.0, 4.0), optimiser=AdamW(lr=5e-3)).build(
        EnergyModel(MLP(1, (32, 32), 1, "silu")), 1, (1,), 0
    )
    training = Training(steps=300, batch_size=1024, warmup=10, halve_every=5)
    train(objective, x, None, training, 0, make_fabric("cpu"))
    grid = torch.linspace(-3.5, 3.5, 30)[:, None]
    truth = torch.logaddexp(-0.5 * (grid + 2).square() + math.log(3), -0.5 * (grid - 2).square())[:, 0]
    with torch.no_grad():
        difference = objective.model.log_density(grid) - truth
    assert difference.std() < 0.2
    assert truth.std() > 0.6


def test_a_constant_has_a_loss_of_two_log_two(noise):
    model = quadratic_model(2)
    torch.nn.init.zeros_(model.network.factor)
    loss, _ = (
        ConditionalNCE().build(model, 1, (2,), 0).loss(Batch(torch.randn(9, 2, generator=noise), None), noise)
    )
    assert float(loss.detach()) == pytest.approx(2 * math.log(2))


def test_every_perturbation_has_an_equal_part_of_the_rows(noise):
    """The loss is the mean of the losses with one perturbation each."""
    model = quadratic_model(2)
    x = torch.randn(60_000, 2, generator=noise)
    values = [
        float(ConditionalNCE(sigmas=sigmas).build(model, 1, (2,), 0).contrast(x, noise).detach())
        for sigmas in ((0.5, 2.0), (0.5,), (2.0,))
    ]
    assert values[0] == pytest.approx((values[1] + values[2]) / 2, abs=0.02)


def test_the_validation_loss_is_the_same_at_every_call(noise):
    objective = ConditionalNCE(sigmas=(0.5, 2.0)).build(quadratic_model(2), 1, (2,), 0)
    x = torch.randn(31, 2, generator=noise)
    assert objective.validation_loss(x) == objective.validation_loss(x)
