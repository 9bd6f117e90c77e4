"""Truths of the image generator: range, sizes, gradients, and what upsampling may be exchanged with."""

import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.networks import NoisyGenerator, ResNetGenerator


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32), (3, 8, 8)])
def test_images_fill_the_range_and_never_leave_it(shape):
    torch.manual_seed(0)
    generator = ResNetGenerator(16, shape, channels=16)
    images = generator(torch.randn(32, 16))
    assert images.shape == (32, *shape)
    assert images.abs().max() <= 1
    assert images.std() > 0.1
    saturated = generator(1e4 * torch.randn(8, 16))
    assert saturated.abs().max() <= 1


def test_every_weight_and_the_noise_have_a_gradient():
    torch.manual_seed(0)
    generator = ResNetGenerator(8, (1, 16, 16), channels=8)
    h = torch.randn(8, 8, requires_grad=True)
    generator(h).square().sum().backward()
    # A bias before a batch norm is taken out by it; the shortcuts' reach the next block's batch norm too.
    dead = {
        name for name, p in generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-4
    }
    assert all(name.endswith("bias") for name in dead)
    assert not {"first.weight", "last.2.weight", "last.2.bias"} & dead
    assert h.grad is not None
    assert (h.grad.flatten(1).norm(dim=1) > 0).all()


def test_the_shortcut_may_be_convolved_before_it_is_upsampled():
    torch.manual_seed(0)
    block = ResNetGenerator(4, (1, 8, 8), channels=6).double().blocks[0]
    z = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(block.up(block.shortcut(z)), block.shortcut(block.up(z)))
    assert torch.equal(block.up(z)[:, :, ::2, 1::2], z)


def test_it_serves_vera_with_128_channels(noise):
    torch.manual_seed(0)
    q = NoisyGenerator(ResNetGenerator(128, (1, 16, 16)), 128, 0.01, (0.01, 0.3))
    x, h = q.sample(4, noise)
    assert x.shape == (4, 1, 16, 16)
    assert h.shape == (4, 128)
    assert float((x - q(h)).std().detach()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 16, 32), (18,), (1, 4, 4)])
def test_other_shapes_are_refused_in_one_line(shape):
    with pytest.raises(EbmoodError, match="resize") as error:
        ResNetGenerator(4, shape)
    assert "\n" not in str(error.value)
