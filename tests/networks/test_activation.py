"""Activations by name."""

from typing import get_args

import pytest
import torch

from ebmood.networks import Activation, activation, is_smooth


@pytest.mark.parametrize("name", get_args(Activation))
def test_smooth_activations_are_those_with_a_second_derivative(name):
    x = torch.linspace(-2, 2, 40, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(activation(name)(x).sum(), x, create_graph=True)
    second = torch.zeros_like(x)
    if first.requires_grad:
        (second,) = torch.autograd.grad(first.sum(), x, materialize_grads=True)
    assert is_smooth(name) == bool(second.any())


def test_the_slope_of_leaky_relu():
    assert activation("leaky_relu", 0.2)(torch.tensor(-1.0)).item() == pytest.approx(-0.2)
