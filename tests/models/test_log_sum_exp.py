"""The fast logsumexp against that of torch."""

import math

import pytest
import torch

from ebmood.models.log_sum_exp import log_sum_exp_


@pytest.fixture
def values(noise) -> torch.Tensor:
    """Small, large, very different and equal terms in four rows."""
    x = torch.randn(4, 3, 200, dtype=torch.float64, generator=noise)
    x[1] *= 1000
    x[2] -= 1e6
    x[3] = 5.0
    return x


def test_it_equals_that_of_torch(values):
    expected = torch.logsumexp(values, -1)
    result = log_sum_exp_(values)
    assert result.dtype == torch.float64
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=1e-5)


def test_gradients_equal_those_of_torch_and_values_are_kept(values):
    values.requires_grad_(True)
    before = values.detach().clone()
    (expected,) = torch.autograd.grad(torch.logsumexp(values, -1).sum(), values)
    result = log_sum_exp_(values)
    (gradient,) = torch.autograd.grad(result.sum(), values)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
    assert (values == before).all()
    with torch.no_grad():
        torch.testing.assert_close(result, log_sum_exp_(before.clone()))


def test_terms_of_minus_infinity_do_not_count(values):
    values[:, :, ::2] = -math.inf
    expected = torch.logsumexp(values[:, :, 1::2], -1)
    torch.testing.assert_close(log_sum_exp_(values), expected, rtol=1e-6, atol=1e-5)


def test_a_row_of_minus_infinity_is_very_low_and_does_not_change_others(values):
    values[2] = -math.inf
    result = log_sum_exp_(values.clone())
    assert (result[2] <= -1e299).all()
    torch.testing.assert_close(result[:2], torch.logsumexp(values[:2], -1), rtol=1e-6, atol=1e-5)


def test_one_term_is_itself():
    x = torch.tensor([[0.0], [-1e9], [700.0], [1e300]], dtype=torch.float64)
    assert (log_sum_exp_(x.clone()) == x[:, 0]).all()
