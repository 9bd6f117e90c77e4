"""Up-blocks with less arithmetic have the outputs and gradients of the reference."""

import copy

import torch

from ebmood.fast import accelerate
from ebmood.models import EnergyModel
from ebmood.networks import WideResNet
from ebmood.objectives import VERA


def test_images_and_gradients():
    objective = VERA(noise=5, resnet_channels=7).build(EnergyModel(WideResNet(3, 1)), 1, (3, 16, 16), 0)
    objective.double().train()
    generator = objective.generator.network
    expected_generator = copy.deepcopy(generator)
    h = torch.randn(6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = expected_generator(h)
    with accelerate(objective, 10, 6):
        images = generator(h)
        images.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(images, expected, rtol=1e-11, atol=1e-11)
    for ours, other in zip(generator.parameters(), expected_generator.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, other.grad, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(generator.state_dict(), expected_generator.state_dict())
