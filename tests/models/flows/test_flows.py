"""Truths of every normalised density: it integrates to one, and its log-determinant is autograd's."""

import numpy as np
import pytest
import torch
from torch.func import jacrev, vmap

from ebmood.data import Toy, split_dataset
from ebmood.models import Radial, RadialFlow, Spline

FLOWS = {"radial": Radial(layers=6), "spline": Spline(transforms=2, hidden=(16,))}


@pytest.fixture(scope="module")
def split():
    return split_dataset(Toy(shape="moons", rows=400).load(), seed=0)


def bent(settings, split):
    """An untrained flow whose weights are moved well away from the identity."""
    torch.manual_seed(1)
    flow = settings.build(split, 1)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return flow.eval()


@pytest.mark.parametrize(("name", "low", "high"), [("radial", -9, 9), ("spline", -1.5, 2.5)])
def test_integrates_to_one(name, low, high, split):
    flow = bent(FLOWS[name], split)
    axis = torch.linspace(low, high, 501)
    step = float(axis[1] - axis[0])
    with torch.no_grad():
        density = flow.log_density(torch.cartesian_prod(axis, axis)).double().exp()
    total = float(density.sum()) * step**2
    assert total == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("features", [1, 2, 5])
def test_radial_log_determinant_is_autograds(features):
    torch.manual_seed(2)
    flow = RadialFlow(features, 4).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    x = torch.randn(20, features, dtype=torch.float64)
    jacobian = vmap(jacrev(lambda row: flow.transform(row[None])[0][0]))(x)
    torch.testing.assert_close(flow.transform(x)[1], torch.linalg.slogdet(jacobian)[1])


def test_spline_log_determinant_is_autograds(split):
    flow = bent(FLOWS["spline"], split).double()
    x = torch.randn(20, 2, dtype=torch.float64) * 0.3 + 0.5
    distribution = flow.flow()

    def transform(row):
        return distribution.transform((row - flow.location) / flow.scale)

    jacobian = torch.stack([torch.autograd.functional.jacobian(transform, row) for row in x])
    base = torch.stack([distribution.base.log_prob(transform(row)) for row in x])
    torch.testing.assert_close(flow.log_density(x), base + torch.linalg.slogdet(jacobian)[1])


def test_radial_layers_are_invertible():
    """Along any ray from the centre, points keep their order, also at the bound beta -> -alpha."""
    flow = RadialFlow(3, 1)
    with torch.no_grad():
        flow.raw_beta.fill_(-20.0)
    centre = flow.centre[0]
    direction = torch.nn.functional.normalize(torch.randn(3), dim=0)
    radii = torch.linspace(0.01, 5, 200)
    moved, _ = flow.transform(centre + radii[:, None] * direction)
    after = (moved - centre).norm(dim=1)
    assert (after.diff() > 0).all()


def test_a_constant_column_keeps_the_spline_finite(split):
    train = split.train_x.copy()
    train[:, 1] = 0
    flat = split.__class__(**{**split.__dict__, "train_x": train})
    flow = Spline().build(flat, 1)
    assert np.isfinite(flow.log_density(torch.as_tensor(train)).detach().numpy()).all()
