"""The linear map that a piecewise-linear network is about a row, against autograd's double backward pass."""

import pytest
import torch

from ebmood.models import EnergyModel
from ebmood.networks import WideResNet, along_gradient


@pytest.mark.parametrize("logits", [1, 3])
@pytest.mark.parametrize("name", ["relu", "leaky_relu"])
@pytest.mark.parametrize("bottleneck", [None, 0.5])
def test_squares_and_their_gradients_are_those_of_autograd(logits, name, bottleneck):
    torch.manual_seed(0)
    network = WideResNet(2, logits, width=1, activation_name=name, bottleneck=bottleneck).double()
    for parameter in network.parameters():  # biases count
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    model, x = EnergyModel(network), torch.rand(3, 2, 8, 8, dtype=torch.float64)
    weights = torch.randn(2, 3, dtype=torch.float64)
    found = []
    for slices in (model.slices(x, None), model.slices_by_autograd(x, None)):
        total = (weights[0] * slices.log_density + weights[1] * slices.matching).sum()
        parameters = list(network.parameters())
        found.append(
            [slices.matching.detach(), *torch.autograd.grad(total, parameters, materialize_grads=True)]
        )
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


def test_the_network_is_left_as_it_was():
    torch.manual_seed(0)
    network, x = WideResNet(1, 1, width=1), torch.rand(2, 1, 8, 8)
    before = network(x)
    along_gradient(network, x)
    assert torch.equal(network(x), before)
    assert not any(module._forward_hooks for module in network.modules())
