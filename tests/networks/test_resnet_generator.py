"""The image generator: its range, sizes, gradients, and the order of upsampling and convolution."""

import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.networks import NoisyGenerator, ResNetGenerator


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 8, 8)])
def test_pixels_use_the_range_and_stay_in_it(shape):
    torch.manual_seed(0)
    generator = ResNetGenerator(16, shape, channels=16)
    images = generator(torch.randn(32, 16))
    assert images.shape == (32, *shape)
    assert images.abs().max() <= 1
    assert images.std() > 0.1
    saturated = generator(1e4 * torch.randn(8, 16))
    assert saturated.abs().max() <= 1


def test_all_weights_and_the_noise_have_a_gradient():
    torch.manual_seed(0)
    generator = ResNetGenerator(8, (1, 16, 16), channels=8)
    h = torch.randn(8, 8, requires_grad=True)
    generator(h).square().sum().backward()
    # Batch normalisation subtracts the preceding biases, also those of the shortcuts of the previous block.
    without = {
        name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-4
    }
    assert all(name.endswith("bias") for name in without)
    assert not {"first.weight", "last.2.weight", "last.2.bias"} & without
    assert h.grad is not None
    assert (h.grad.flatten(1).norm(dim=1) > 0).all()


def test_upsampling_commutes_with_a_1x1_convolution():
    torch.manual_seed(0)
    block = ResNetGenerator(4, (1, 8, 8), channels=6).double().blocks[0]
    z = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(block.up(block.shortcut(z)), block.shortcut(block.up(z)))
    assert torch.equal(block.up(z)[:, :, ::2, 1::2], z)


def test_it_is_the_network_of_a_noisy_generator(noise):
    torch.manual_seed(0)
    q = NoisyGenerator(ResNetGenerator(128, (1, 16, 16)), 128, 0.01, (0.01, 0.3))
    x, h = q.sample(4, noise)
    assert x.shape == (4, 1, 16, 16)
    assert h.shape == (4, 128)
    assert float((x - q(h)).std().detach()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 32), (18,), (1, 4, 4)])
def test_unsupported_shapes_are_an_error_of_one_line(shape):
    with pytest.raises(EbmoodError, match="resize") as error:
        ResNetGenerator(4, shape)
    assert "\n" not in str(error.value)
