"""Metropolis-adjusted chains leave a density invariant where unadjusted chains with the same step size do not."""

import pytest
import torch

from ebmood.samplers import MALA


def standard_normal(x):
    return -0.5 * x.square().sum(1), -x


def test_long_steps_leave_a_standard_normal_invariant(noise):
    """Without the adjustment, a = 0.6 would give a variance of 1 / (1 - a / 2) = 1.43."""
    x = torch.randn(8000, 2, generator=noise)
    x = MALA(steps=60, step_size=0.6).sample(standard_normal, x, noise)
    assert x.mean(0).abs().max() < 4 / 8000**0.5
    assert (x.var(0) - 1).abs().max() < 4 * (2 / 8000) ** 0.5
    assert (x.pow(4).mean(0) - 3).abs().max() < 0.4


def test_chains_converge_from_a_distant_start(noise):
    x = MALA(steps=150, step_size=0.3).sample(standard_normal, torch.full((4000, 2), 3.0), noise)
    assert x.mean(0).abs().max() < 4 / 4000**0.5
    assert (x.var(0) - 1).abs().max() < 0.15


def test_proposals_whose_density_is_not_finite_are_rejected(noise):
    def half_normal(x):
        log_p, score = standard_normal(x)
        return log_p.masked_fill(x[:, 0] < 0, -torch.inf).masked_fill(x[:, 0] < -1, torch.nan), score

    x = torch.rand(4000, 1, generator=noise)
    x = MALA(steps=60, step_size=0.3).sample(half_normal, x, noise)
    assert (x >= 0).all()
    assert float(x.mean()) == pytest.approx((2 / torch.pi) ** 0.5, abs=0.05)
