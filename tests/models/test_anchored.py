"""The base contributes to every quantity of an anchored energy."""

import pytest
import torch
from helpers.splits import moons_split

from ebmood.models import AnchoredEnergy, AnchoredMLP, TiedMixture
from ebmood.networks import MLP


@pytest.fixture(params=[1, 3], ids=["one class", "three classes"])
def model(request):
    torch.manual_seed(0)
    network = MLP(2, (16, 16), request.param, "silu")
    return AnchoredEnergy(TiedMixture(2, 1, request.param), network).double()


@pytest.fixture
def x():
    return torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


def test_value_and_grad_belong_to_the_log_density_or_to_one_logit(model, x):
    rows = x.clone().requires_grad_(True)
    density = model.log_density(rows)
    (expected,) = torch.autograd.grad(density.sum(), rows)
    torch.testing.assert_close(model.value_and_grad(x), (density.detach(), expected))
    y = torch.arange(len(x)) % model.base.classes
    logit = model.logits(rows).gather(1, y[:, None])[:, 0]
    (expected,) = torch.autograd.grad(logit.sum(), rows)
    torch.testing.assert_close(model.value_and_grad(x, y), (logit.detach(), expected))


def test_score_matching_terms_contain_the_base(model, x):
    """If the network is constant, F is the base: a normal distribution with Hessian -I and score -x."""
    for parameter in model.network.layers[-1].parameters():
        torch.nn.init.zeros_(parameter)
    v = torch.ones_like(x)
    terms = model.score_matching_terms(x, v)
    torch.testing.assert_close(terms.log_density, model.log_density(x))
    torch.testing.assert_close(terms.curvature, torch.full((20,), -2.0, dtype=torch.float64))
    torch.testing.assert_close(terms.loss, 0.5 * x.square().sum(1) - 2)


@pytest.mark.parametrize("outputs", [1, 2])
def test_an_untrained_model_is_the_fitted_base(outputs):
    split = moons_split()
    torch.manual_seed(0)
    model = AnchoredMLP().build(split, outputs)
    rows = torch.as_tensor(split.train_x)
    torch.testing.assert_close(model.log_density(rows), model.base.log_density(rows))
    assert model.base.classes == outputs
