"""An anchored energy answers for its base as well as for its network, whoever asks."""

import pytest
import torch

from ebmood.models import AnchoredEnergy, TiedMixture
from ebmood.networks import MLP


@pytest.fixture(params=[1, 3], ids=["one class", "three"])
def model(request):
    torch.manual_seed(0)
    network = MLP(2, (16, 16), request.param, "silu")
    return AnchoredEnergy(TiedMixture(2, 1, request.param), network).double()


@pytest.fixture
def x():
    return torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2


def test_scores_are_gradients_of_the_log_density(model, x):
    own = x.clone().requires_grad_(True)
    density = model.log_density(own)
    (expected,) = torch.autograd.grad(density.sum(), own, retain_graph=True)
    torch.testing.assert_close(model.score()(x), expected)
    torch.testing.assert_close(model.climb()(x), (density.detach(), expected))
    y = torch.arange(len(x)) % model.network.outputs
    logits = model.logits(own).gather(1, y[:, None])[:, 0]
    torch.testing.assert_close(model.climb(y)(x)[1], torch.autograd.grad(logits.sum(), own)[0])


def test_slices_know_the_base(model, x):
    """Its Hessian is minus the identity (one normal of unit covariance), and its own score is -x."""
    v = torch.ones_like(x)
    found, network = model.slices(x, v), model.network
    torch.testing.assert_close(found.log_density, model.log_density(x))
    score = model.score()(x)
    torch.testing.assert_close(found.matching - found.curvature, 0.5 * score.square().sum(1))
    if network.outputs == 1:
        alone = network.parabola(x, v)
        curvature = alone.second.detach() - alone.u.square().sum(1)
        torch.testing.assert_close(found.curvature, curvature - 2)
    assert not model.flat
