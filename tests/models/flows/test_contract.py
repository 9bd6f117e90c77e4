"""What holds for every flow: its density integrates to one and its log-determinant equals that of autograd."""

import math

import pytest
import torch
from helpers.flows import IMAGE_FLOWS, TABLE_FLOWS, base_points, perturbed_flow
from torch.distributions import Normal

from ebmood.models import Glow, RealNVP

pytest.importorskip("normflows")

FLOWS = {
    **{name: (settings, None, 0.3) for name, settings in TABLE_FLOWS.items()},
    **{name: (settings, (1, 8, 8), 0.1) for name, settings in IMAGE_FLOWS.items()},
}
SMALL_FLOWS = {
    "radial": (TABLE_FLOWS["radial"], None, 0.3),
    "spline": (TABLE_FLOWS["spline"], None, 0.3),
    "realnvp": (RealNVP(scales=1, channels=8, blocks=1), (1, 1, 2), 0.1),
    "glow": (Glow(levels=1, steps=2, channels=8), (1, 2, 2), 0.1),
}
"""Flows in two and four dimensions."""
GRIDS = {"radial": (-9, 9, 501), "spline": (-1.5, 2.5, 501), "realnvp": (-11, 11, 101), "glow": (-11, 11, 25)}


def random_rows(shape, count: int) -> torch.Tensor:
    """Rows near the training rows: the moons, or images."""
    generator = torch.Generator().manual_seed(1)
    if shape is None:
        return torch.randn(count, 2, generator=generator, dtype=torch.float64) * 0.3 + 0.5
    return torch.rand(count, *shape, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("name", SMALL_FLOWS)
def test_the_density_integrates_to_one(name):
    flow = perturbed_flow(*SMALL_FLOWS[name])
    shape = SMALL_FLOWS[name][1] or (2,)
    axis = torch.linspace(*GRIDS[name], dtype=torch.float64)
    grid = torch.cartesian_prod(*[axis] * math.prod(shape)).view(-1, *shape)
    with torch.no_grad():
        total = sum(flow.log_density(rows).exp().sum() for rows in grid.split(50_000))
    assert float(total) * float(axis[1] - axis[0]) ** math.prod(shape) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", FLOWS)
def test_the_log_determinant_equals_that_of_autograd(name):
    """Hence `log p(x) = log N(z; 0, I) + log |det dz/dx|`."""
    flow = perturbed_flow(*FLOWS[name])
    x = random_rows(FLOWS[name][1], 3)
    jacobians = [torch.autograd.functional.jacobian(lambda row: base_points(flow, row), row) for row in x]
    log_det = torch.stack([torch.linalg.slogdet(jacobian.flatten(1))[1] for jacobian in jacobians])
    log_base = torch.stack([Normal(0.0, 1.0).log_prob(base_points(flow, row)).sum() for row in x])
    torch.testing.assert_close(flow.log_density(x), log_base + log_det)


@pytest.mark.parametrize("name", FLOWS)
def test_the_density_of_a_row_does_not_depend_on_other_rows(name):
    flow = perturbed_flow(*FLOWS[name])
    x = random_rows(FLOWS[name][1], 5)
    with torch.no_grad():
        torch.testing.assert_close(flow.log_density(x)[2:3], flow.log_density(x[2:3]))


@pytest.mark.parametrize("name", FLOWS)
def test_flows_are_normalised(name):
    assert perturbed_flow(*FLOWS[name]).normalised
