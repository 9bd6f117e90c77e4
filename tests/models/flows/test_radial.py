"""The layers of radial flows."""

import pytest
import torch
from torch.func import jacrev, vmap

from ebmood.models import RadialFlow


@pytest.mark.parametrize("features", [1, 2, 5])
def test_the_log_determinant_equals_that_of_autograd_in_any_dimension(features):
    torch.manual_seed(2)
    flow = RadialFlow(features, 4).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn_like(parameter))
    x = torch.randn(20, features, dtype=torch.float64)
    jacobian = vmap(jacrev(lambda row: flow.transform(row[None])[0][0]))(x)
    torch.testing.assert_close(flow.transform(x)[1], torch.linalg.slogdet(jacobian)[1])


def test_layers_are_invertible():
    """A layer preserves the order of points on a ray from its centre, even at the bound of beta, -alpha."""
    flow = RadialFlow(3, 1)
    with torch.no_grad():
        flow.raw_beta.fill_(-20.0)
    centre = flow.centre[0]
    direction = torch.nn.functional.normalize(torch.randn(3), dim=0)
    radii = torch.linspace(0.01, 5, 200)
    z, _ = flow.transform(centre + radii[:, None] * direction)
    assert ((z - centre).norm(dim=1).diff() > 0).all()
