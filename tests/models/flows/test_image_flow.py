"""Truths of the image flows: all constants of bits per dimension, inverses, Jacobians, and when ActNorm is set."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from ebmood.core.errors import EbmoodError
from ebmood.data import Toy, split_dataset
from ebmood.data.units import model_units
from ebmood.models import Glow, RealNVP, bits_per_dim
from ebmood.models.flows.image_flow import ActNorm
from ebmood.objectives import Likelihood
from ebmood.objectives.objective import Batch

pytest.importorskip("normflows")

FLOWS = {
    "realnvp": RealNVP(channels=8, blocks=1),
    "realnvp, 3 scales": RealNVP(scales=3, channels=4, blocks=1),
    "glow": Glow(levels=2, steps=2, channels=8),
    "glow, 3 levels": Glow(levels=3, steps=2, channels=8),
}


def images(shape, rows=4):
    """A split whose training rows are images of that shape; only their shape matters here."""
    split = split_dataset(Toy(shape="moons", rows=40).load(), seed=0)
    return split.__class__(**{**split.__dict__, "train_x": np.zeros((rows, *shape), dtype=np.uint8)})


def fresh(name, shape):
    torch.manual_seed(0)
    return FLOWS[name].build(images(shape), 1)


def bent(name, shape, by=0.1):
    """A flow with every weight moved well away from its start, in double precision."""
    flow = fresh(name, shape).double()
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(by * torch.randn_like(parameter))
    return flow.eval()


def some_bytes(shape, rows=3):
    return torch.randint(0, 256, (rows, *shape), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def set_to_the_identity(flow):
    """Glow's sigmoid to one; its 1x1 convolutions stay rotations, to which the base is blind. RealNVP starts there."""
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            if name.endswith("param_map.net.4.bias"):
                parameter[1::2] = 100.0


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32)])
@pytest.mark.parametrize("name", FLOWS)
def test_bits_per_dim_of_the_identity_are_the_closed_form(name, shape):
    """Bytes b are worth -log2(N((b + 1/2) / 256 - 1/2; 0, 1) / 256) bits each: a bin is 1/256 wide."""
    flow = fresh(name, shape).eval()
    set_to_the_identity(flow)
    x = some_bytes(shape)
    centres = (x.double() + 0.5) / 256 - 0.5
    closed = -(Normal(0.0, 1.0).log_prob(centres) - math.log(256)).flatten(1).mean(1) / math.log(2)
    with torch.no_grad():
        ours = bits_per_dim(flow.log_density(model_units(x)), shape).double()
    torch.testing.assert_close(ours, closed, rtol=0, atol=1e-5)


def test_bits_per_dim_of_uniform_bytes_are_eight():
    """The 256 bins together are 256 / 127.5 wide."""
    log_density = torch.tensor([-6 * math.log(256 / 127.5)], dtype=torch.float64)
    torch.testing.assert_close(bits_per_dim(log_density, (6, 1, 1)), torch.tensor([8.0], dtype=torch.float64))


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_the_inverse_returns_the_image(name, shape):
    flow = bent(name, shape, by=0.05).float()
    x = model_units(some_bytes(shape))
    with torch.no_grad():
        z, _ = flow.transform(x)
        assert sum(level[0].numel() for level in z) == math.prod(shape)
        assert (flow.images(z) - x).abs().max() < 1e-4
        assert not torch.allclose(
            torch.cat([level.flatten(1) for level in z], 1).sort(1)[0], x.flatten(1).sort(1)[0]
        )


@pytest.mark.parametrize("name", FLOWS)
def test_the_log_determinant_is_autograds(name):
    shape = (1, 8, 8)
    flow = bent(name, shape)
    x = model_units(some_bytes(shape, 2)).double()

    def flat(row):
        return torch.cat([level.flatten() for level in flow.transform(row.reshape(1, *shape))[0]])

    jacobians = torch.stack([torch.autograd.functional.jacobian(flat, row.flatten()) for row in x])
    log_det = torch.linalg.slogdet(jacobians)[1]
    torch.testing.assert_close(flow.transform(x)[1], log_det)
    base = torch.stack([Normal(0.0, 1.0).log_prob(flat(row)).sum() for row in x])
    torch.testing.assert_close(flow.log_density(x), base + log_det)


def test_dequantised_bytes_fill_their_bins_and_no_others(noise):
    flow = fresh("realnvp", (1, 8, 8))
    x = torch.arange(256, dtype=torch.uint8).repeat(400, 1).reshape(1600, 1, 8, 8)
    y = ((flow.dequantize(model_units(x).double(), noise) + 1) * 127.5 + 0.5) / 256
    inside = y * 256 - x.double()
    assert inside.min() >= 0
    assert inside.max() < 1
    assert float(inside.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(inside.var()) == pytest.approx(1 / 12, rel=0.02)


def test_likelihood_spreads_bytes_in_training_and_scores_their_centres():
    flow = fresh("realnvp", (1, 8, 8))
    x = model_units(some_bytes((1, 8, 8), 16))
    objective = Likelihood().build(flow, 1, (1, 8, 8), 0)

    def loss(seed):
        return float(objective.loss(Batch(x, None), torch.Generator().manual_seed(seed))[0].detach())

    flow.eval()
    assert loss(1) == loss(1) != loss(2)
    noisy = flow.dequantize(x, torch.Generator().manual_seed(1))
    assert loss(1) == pytest.approx(-float(flow.log_density(noisy).mean().detach()))
    assert torch.equal(flow.log_density(x), flow.log_density(x))
    assert float(objective.validation_loss(x).detach()) == -float(flow.log_density(x).mean().detach())
    assert objective.settings.unbounded_on(np.zeros((9, 1, 8, 8), np.uint8)) is None
    assert objective.settings.unbounded_on(np.zeros((9, 4), np.float32)) is not None


def test_actnorm_standardises_the_first_training_batch_and_then_keeps_its_numbers():
    layer = ActNorm(3)
    y = torch.randn(20, 3, 4, 4) * torch.tensor([0.1, 1.0, 30.0])[:, None, None] + 5
    layer.eval()
    assert torch.equal(layer.inverse(y)[0], y)
    layer.train()
    z, log_det = layer.inverse(y)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), rtol=0.01, atol=0)
    torch.testing.assert_close(layer.forward(z)[0], y, rtol=1e-4, atol=1e-4)
    again, _ = layer.inverse(2 * y)
    assert again.std() > 1.5
    layer.eval()
    assert torch.equal(layer.inverse(y)[0], z)
    assert float(log_det[0].detach()) == pytest.approx(float(layer.log_scale.sum().detach()) * 16)


@pytest.mark.parametrize("name", ["realnvp", "glow"])
def test_only_training_sets_actnorm_and_a_saved_state_brings_it_back(name, tmp_path):
    shape = (1, 16, 16)
    x = model_units(some_bytes(shape, 8))
    flow, other = fresh(name, shape), fresh(name, shape)
    before = {key: value.clone() for key, value in flow.state_dict().items()}
    with torch.no_grad():
        flow.eval().log_density(x)
    assert all(torch.equal(before[key], value) for key, value in flow.state_dict().items())
    with torch.no_grad():
        first, second = flow.train().log_density(x), other.train().log_density(x)
    assert torch.equal(first, second)
    assert sum(not torch.equal(before[key], value) for key, value in flow.state_dict().items()) >= 6
    torch.save(flow.state_dict(), tmp_path / "flow.pt")
    loaded = fresh(name, shape)
    loaded.load_state_dict(torch.load(tmp_path / "flow.pt", weights_only=True))
    with torch.no_grad():
        torch.testing.assert_close(loaded.train().log_density(x.flip(0)), first.flip(0))


@pytest.mark.parametrize("name", FLOWS)
def test_rows_do_not_see_each_other(name):
    flow = bent(name, (1, 16, 16))
    x = model_units(some_bytes((1, 16, 16), 5)).double()
    with torch.no_grad():
        torch.testing.assert_close(flow.log_density(x)[2:3], flow.log_density(x[2:3]))


@pytest.mark.parametrize("name", FLOWS)
def test_unscaled_bytes_score_finite_and_below_everything(name):
    flow = bent(name, (1, 16, 16)).float()
    x = model_units(some_bytes((1, 16, 16), 8))
    with torch.no_grad():
        near, far, absurd = (flow.log_density(scale * x) for scale in (1, 255, 1e30))
    assert near.isfinite().all()
    assert far.isfinite().all()
    assert absurd.isfinite().all()
    assert far.max() < near.min()
    assert absurd.max() <= far.min()


def test_a_density_too_small_to_write_down_is_the_lowest_number_within_the_range_too():
    flow = bent("glow", (1, 16, 16)).float()
    norm = next(module for module in flow.modules() if isinstance(module, ActNorm))
    x = model_units(some_bytes((1, 16, 16), 8))
    with torch.no_grad():
        norm.log_scale.fill_(60.0)
        points, _ = flow.transform(x)
        assert sum(z.square().flatten(1).sum(1) for z in points).isposinf().all()
        assert (flow.log_density(x) == torch.finfo(torch.float32).min).all()


def test_numbers_that_are_none_within_the_range_are_not_hidden():
    flow = bent("glow", (1, 16, 16))
    with torch.no_grad():
        next(flow.parameters()).fill_(math.nan)
        assert flow.log_density(model_units(some_bytes((1, 16, 16)))).isnan().all()


@pytest.mark.parametrize(
    ("settings", "shape", "says"),
    [
        (Glow(), (1, 28, 28), "multiple of 8"),
        (RealNVP(scales=3), (3, 18, 16), "multiple of 4"),
        (Glow(), (18,), "takes images"),
        (RealNVP(), (18,), "takes images"),
    ],
)
def test_images_that_do_not_fit_are_said_in_one_line(settings, shape, says):
    with pytest.raises(EbmoodError, match=says) as error:
        settings.build(images(shape), 1)
    assert "\n" not in str(error.value)
