"""Values, gradients and terms of score matching of energy models, against autograd and closed forms."""

import pytest
import torch
from helpers.quadratic import diagonal_model
from helpers.splits import moons_split
from torch import nn

from ebmood.models import EnergyMLP, EnergyModel
from ebmood.networks import MLP


class Constant(nn.Module):
    """Logits that do not depend on the input."""

    def __init__(self, learnt: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1), requires_grad=learnt)

    def forward(self, x):
        return self.weight.expand(len(x), 1)


@pytest.mark.parametrize("outputs", [1, 3])
def test_value_and_grad_equal_those_of_autograd_and_are_detached(outputs):
    torch.manual_seed(0)
    model = EnergyModel(MLP(5, (16, 16), outputs, "silu")).double()
    x, y = torch.randn(7, 5, dtype=torch.float64), torch.arange(7) % outputs
    for classes in (None, y):
        rows = x.clone().requires_grad_(True)
        value = model.logits(rows)[torch.arange(7), y] if classes is not None else model.log_density(rows)
        (expected,) = torch.autograd.grad(value.sum(), rows)
        result = model.value_and_grad(x, classes)
        torch.testing.assert_close(result, (value.detach(), expected))
        assert not any(tensor.requires_grad for tensor in result)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("learnt", [True, False])
def test_logits_that_do_not_depend_on_the_input_have_no_gradient(learnt):
    value, gradient = EnergyModel(Constant(learnt)).value_and_grad(torch.ones(3, 2))
    assert torch.equal(value, torch.ones(3))
    assert torch.equal(gradient, torch.zeros(3, 2))


def test_score_matching_terms_of_a_gaussian_have_a_closed_form():
    """For F = -x'Px/2 the curvature along v is -v'Pv, and the score is -Px."""
    model = diagonal_model(1.0, 2.0, 0.5)
    p = torch.diag(torch.tensor([1.0, 4.0, 0.25]))
    x, v = torch.randn(2, 10, 3).unbind(0)
    terms = model.score_matching_terms(x, v)
    curvature, half_square = -((v @ p) * v).sum(1), 0.5 * (x @ p).square().sum(1)
    torch.testing.assert_close(terms.curvature, curvature)
    torch.testing.assert_close(terms.loss.detach(), curvature + half_square)
    without = model.score_matching_terms(x, None)
    torch.testing.assert_close(without.loss.detach(), half_square)
    assert not without.curvature.any()


@pytest.mark.parametrize("network", [nn.Linear(3, 1), Constant(learnt=True)], ids=["linear", "constant"])
def test_linear_and_constant_models_have_no_curvature(network):
    terms = EnergyModel(network).score_matching_terms(torch.ones(4, 3), torch.ones(4, 3))
    assert torch.equal(terms.curvature, torch.zeros(4))
    score = network.weight.expand(4, 3) if isinstance(network, nn.Linear) else torch.zeros(4, 3)
    torch.testing.assert_close(terms.loss, 0.5 * score.square().sum(1))


@pytest.mark.parametrize("name", ["leaky_relu", "silu"])
def test_settings_build_an_mlp_for_the_columns_and_classes(name):
    settings = EnergyMLP(hidden=(8,), activation=name)
    model = settings.build(moons_split(40), 3)
    assert model.logits(torch.zeros(5, 2)).shape == (5, 3)
    assert settings.is_smooth == (name == "silu")
