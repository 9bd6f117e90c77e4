"""Energy discrepancy has a closed form for Gaussians, with score matching and likelihood as its limits."""

import math

import pytest
import torch
from helpers.quadratic import (
    PRECISION,
    diagonal_model,
    fit_precision,
    gaussian_rows,
    quadratic_model,
    relative_error,
)

from ebmood.objectives import AdamW, Batch, EnergyDiscrepancy
from ebmood.training import Training


def loss(factor: float, rows: torch.Tensor, **settings) -> float:
    """The loss of F = -(factor x)^2 / 2; the noise is the same at every call."""
    objective = EnergyDiscrepancy(w=0.0, **settings).build(diagonal_model(factor), 1, (1,), 0)
    with torch.no_grad():
        return float(objective.loss(Batch(rows, None), torch.Generator().manual_seed(0))[0])


def closed_form(p: float, t: float, variance: float) -> float:
    """E[E(x)] - E[E_t(x_t)] for E = p x^2 / 2, so that E_t(y) = p y^2 / (2 (1 + t p)) + log(1 + t p) / 2."""
    return p * variance / 2 - p * (variance + t) / (2 * (1 + t * p)) - math.log(1 + t * p) / 2


@pytest.mark.parametrize(("factor", "t"), [(1.0, 0.5), (2.0, 0.3), (0.5, 2.0)])
def test_the_loss_of_a_gaussian_has_a_closed_form(noise, factor, t):
    rows = torch.randn(4000, 1, generator=noise)
    rows = 0.8 * rows / rows.square().mean().sqrt()  # no sampling error of the variance
    estimate = loss(factor, rows, t=t, samples=512)
    assert estimate == pytest.approx(closed_form(factor**2, t, 0.64), abs=0.02)


def test_the_closed_form_is_smallest_at_the_precision_of_the_data():
    values = [closed_form(p, 0.5, variance=0.5) for p in (1.6, 1.9, 2.0, 2.1, 2.4)]
    assert min(values) == values[2]


def test_for_little_noise_it_is_the_loss_of_score_matching():
    """J = F'' + F'^2 / 2 = -p + p^2 s^2 / 2."""
    t, p = 1e-5, 1.5**2
    assert closed_form(p, t, 1.0) / t == pytest.approx(-p + p**2 / 2, abs=1e-3)


def test_for_much_noise_differences_are_those_of_the_likelihood():
    """-log p(x) = p x^2 / 2 - log(p) / 2 up to a constant."""
    difference = closed_form(1.7, 1e5, 1.0) - closed_form(0.6, 1e5, 1.0)
    assert difference == pytest.approx((1.7 - 0.6) / 2 - math.log(1.7 / 0.6) / 2, abs=1e-3)


def test_the_precision_of_a_gaussian_is_recovered(noise):
    settings = EnergyDiscrepancy(t=0.5, samples=200, w=0.0, optimiser=AdamW(lr=3e-2))
    training = Training(steps=150, batch_size=256, warmup=5, halve_every=3)
    assert relative_error(fit_precision(settings, gaussian_rows(4096, noise), training)) < 0.08


def test_stabilisation_bounds_the_loss_from_below():
    """Without it, a flatter energy around ever steeper data has no lower bound."""
    model = diagonal_model(1000.0)
    settings = {"t": 1.0, "samples": 4}
    x = Batch(torch.zeros(100, 1), None)
    values = [
        float(
            EnergyDiscrepancy(w=w, **settings)
            .build(model, 1, (1,), 0)
            .loss(x, torch.Generator().manual_seed(0))[0]
            .detach()
        )
        for w in (0.0, 1.0)
    ]
    assert values[0] < -1000
    assert values[1] >= math.log(1 / 4) - 1e-6


def test_the_validation_loss_is_the_same_at_every_call(noise):
    objective = EnergyDiscrepancy().build(quadratic_model(3), 1, (3,), 0)
    x = torch.randn(50, 3, generator=noise)
    assert objective.validation_loss(x) == objective.validation_loss(x)


def test_the_precision_of_the_helper_is_not_the_start():
    assert relative_error(torch.eye(3), PRECISION) > 0.3
