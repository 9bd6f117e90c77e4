"""Image flows: constants of the bits per dimension, inverses, dequantization, and the initialisation of ActNorm."""

import math

import pytest
import torch
from helpers.flows import IMAGE_FLOWS, build_flow, perturbed_flow, random_bytes, random_images
from torch.distributions import Normal

from ebmood.data.units import model_units
from ebmood.models import bits_per_dim
from ebmood.models.flows.image_flow import ActNorm

pytest.importorskip("normflows")


def set_to_rotation(flow):
    """Set Glow's couplings to the identity. Its 1x1 convolutions stay rotations, which do not change the density."""
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if name.endswith("param_map.net.4.bias"):
                parameter[1::2] = 100.0


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32)])
@pytest.mark.parametrize("name", IMAGE_FLOWS)
def test_bits_per_dim_of_the_identity_have_a_closed_form(name, shape):
    """A byte b has -log2(N((b + 1/2) / 256 - 1/2; 0, 1) / 256) bits: a bin has the width 1/256."""
    flow = build_flow(IMAGE_FLOWS[name], shape).eval()
    set_to_rotation(flow)
    x = random_bytes(shape)
    centres = (x.double() + 0.5) / 256 - 0.5
    expected = -(Normal(0.0, 1.0).log_prob(centres) - math.log(256)).flatten(1).mean(1) / math.log(2)
    with torch.no_grad():
        bits = bits_per_dim(flow.log_density(model_units(x)), shape).double()
    torch.testing.assert_close(bits, expected, rtol=0, atol=1e-5)


def test_bits_per_dim_of_uniform_bytes_are_eight():
    """The 256 bins together have the width 256 / 127.5."""
    log_density = torch.tensor([-6 * math.log(256 / 127.5)], dtype=torch.float64)
    torch.testing.assert_close(bits_per_dim(log_density, (6, 1, 1)), torch.tensor([8.0], dtype=torch.float64))


@pytest.mark.parametrize("name", IMAGE_FLOWS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_the_inverse_transform_returns_the_image(name, shape):
    flow = perturbed_flow(IMAGE_FLOWS[name], shape, scale=0.05).float()
    x = random_images(shape)
    with torch.no_grad():
        z, _ = flow.transform(x)
        assert sum(level[0].numel() for level in z) == math.prod(shape)
        assert (flow.inverse_transform(z) - x).abs().max() < 1e-4
        points = torch.cat([level.flatten(1) for level in z], 1)
        assert not torch.allclose(points.sort(1)[0], x.flatten(1).sort(1)[0])


def test_dequantized_bytes_are_uniform_in_their_bins(noise):
    flow = build_flow(IMAGE_FLOWS["realnvp"], (1, 8, 8))
    x = torch.arange(256, dtype=torch.uint8).repeat(400, 1).reshape(1600, 1, 8, 8)
    y = ((flow.dequantize(model_units(x).double(), noise) + 1) * 127.5 + 0.5) / 256
    position = y * 256 - x.double()
    assert position.min() >= 0
    assert position.max() < 1
    assert float(position.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(position.var()) == pytest.approx(1 / 12, rel=0.02)


def test_actnorm_standardises_the_first_training_batch_and_does_not_change_afterwards():
    layer = ActNorm(3)
    y = torch.randn(20, 3, 4, 4) * torch.tensor([0.1, 1.0, 30.0])[:, None, None] + 5
    layer.eval()
    assert torch.equal(layer.inverse(y)[0], y)
    layer.train()
    z, log_det = layer.inverse(y)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), rtol=0.01, atol=0)
    torch.testing.assert_close(layer.forward(z)[0], y, rtol=1e-4, atol=1e-4)
    second, _ = layer.inverse(2 * y)
    assert second.std() > 1.5
    layer.eval()
    assert torch.equal(layer.inverse(y)[0], z)
    assert float(log_det[0].detach()) == pytest.approx(float(layer.log_scale.sum().detach()) * 16)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_only_training_initialises_actnorm_and_the_state_dict_holds_its_values(name, tmp_path):
    shape = (1, 16, 16)
    x = random_images(shape, 8)
    flow, other = (build_flow(IMAGE_FLOWS[name], shape) for _ in range(2))
    before = {key: value.clone() for key, value in flow.state_dict().items()}
    with torch.no_grad():
        flow.eval().log_density(x)
    assert all(torch.equal(before[key], value) for key, value in flow.state_dict().items())
    with torch.no_grad():
        first, second = flow.train().log_density(x), other.train().log_density(x)
    assert torch.equal(first, second)
    assert sum(not torch.equal(before[key], value) for key, value in flow.state_dict().items()) >= 6
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    loaded = build_flow(IMAGE_FLOWS[name], shape)
    loaded.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    with torch.no_grad():
        torch.testing.assert_close(loaded.train().log_density(x.flip(0)), first.flip(0))


@pytest.mark.parametrize("name", IMAGE_FLOWS)
def test_scores_of_unscaled_bytes_are_finite_and_lower_than_those_of_images(name):
    flow = perturbed_flow(IMAGE_FLOWS[name], (1, 16, 16)).float()
    x = random_images((1, 16, 16), 8)
    with torch.no_grad():
        images, unscaled, extreme = (flow.log_density(scale * x) for scale in (1, 255, 1e30))
    assert images.isfinite().all()
    assert unscaled.isfinite().all()
    assert extreme.isfinite().all()
    assert unscaled.max() < images.min()
    assert extreme.max() <= unscaled.min()


def test_a_log_density_of_minus_infinity_becomes_the_lowest_finite_number():
    flow = perturbed_flow(IMAGE_FLOWS["glow"], (1, 16, 16)).float()
    layer = next(module for module in flow.modules() if isinstance(module, ActNorm))
    x = random_images((1, 16, 16), 8)
    with torch.no_grad():
        layer.log_scale.fill_(60.0)
        z, _ = flow.transform(x)
        assert sum(points.square().flatten(1).sum(1) for points in z).isposinf().all()
        assert (flow.log_density(x) == torch.finfo(torch.float32).min).all()


def test_nan_scores_of_images_are_not_replaced():
    flow = perturbed_flow(IMAGE_FLOWS["glow"], (1, 16, 16))
    with torch.no_grad():
        next(flow.parameters()).fill_(math.nan)
        assert flow.log_density(random_images((1, 16, 16))).isnan().all()
