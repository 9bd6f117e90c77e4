"""Passes that autograd does not watch give what those that it watches give."""

import copy
from typing import get_args

import pytest
import torch

from ebmood.networks import MLP, Activation, input_gradient

ACTIVATIONS = get_args(Activation)
ROWS = 2300  # two whole pieces, and one that is not


@pytest.fixture
def x():
    return torch.randn(ROWS, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_values_and_running_statistics(name, batch_norm, x):
    torch.manual_seed(0)
    watched = MLP(7, (20, 30, 20), 3, name, 0.2, batch_norm=batch_norm, bias=not batch_norm).double()
    unwatched = copy.deepcopy(watched)
    for training in (True, False):
        expected = watched.train(training)(x)
        with torch.no_grad():
            found = unwatched.train(training)(x)
        torch.testing.assert_close(found, expected.detach(), rtol=1e-11, atol=1e-11)
        torch.testing.assert_close(unwatched.state_dict(), watched.state_dict(), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_input_gradients(name, outputs, x):
    torch.manual_seed(0)
    network = MLP(7, (20, 30), outputs, name, 0.2).double()
    gradient = input_gradient(network)
    for rows in (x, x[:100], x[100:200]):  # other rows, other shapes: buffers are made anew, or used again
        rows = rows.clone().requires_grad_(True)
        logits = network(rows)
        (expected,) = torch.autograd.grad(logits.logsumexp(1).sum(), rows)
        found = gradient(rows.detach())
        torch.testing.assert_close(found, (logits.detach(), expected), rtol=1e-11, atol=1e-11)


def test_batch_norm_and_strange_networks_go_by_autograd(x):
    network = torch.nn.Sequential(torch.nn.Linear(7, 3), torch.nn.Hardswish()).double()
    found = input_gradient(network)(x)
    rows = x.clone().requires_grad_(True)
    logits = network(rows)
    (expected,) = torch.autograd.grad(logits.logsumexp(1).sum(), rows)
    torch.testing.assert_close(found, (logits.detach(), expected))
    assert network[0].weight.grad is None


def test_rows_are_left_as_they_were(x):
    before = x.clone()
    with torch.no_grad():
        MLP(7, (20,), 2, "relu").double()(x)
    torch.testing.assert_close(x, before, rtol=0, atol=0)


def test_logits_that_no_input_moves_have_no_gradient():
    x = torch.ones(3, 2)
    weight = torch.ones(1, requires_grad=True)
    for constant in (lambda x: torch.ones(len(x), 1), lambda x: weight.expand(len(x), 1)):
        logits, gradient = input_gradient(constant)(x)
        assert torch.equal(logits, torch.ones(3, 1))
        assert torch.equal(gradient, torch.zeros(3, 2))
