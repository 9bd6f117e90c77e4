"""Settings of image energies: shapes, smoothness, and settings that are refused."""

import numpy as np
import pydantic
import pytest
import torch

from ebmood.core.errors import EbmoodError
from ebmood.data import Toy, split_dataset
from ebmood.models import EnergyWideResNet


def images(shape):
    """A split whose training rows are images of that shape; only their shape matters here."""
    split = split_dataset(Toy(shape="moons", rows=40).load(), seed=0)
    return split.__class__(**{**split.__dict__, "train_x": np.zeros((4, *shape), dtype=np.uint8)})


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32)])
def test_log_density_is_the_logsumexp_of_the_networks_logits(shape):
    torch.manual_seed(0)
    model = EnergyWideResNet(bottleneck=0.1).build(images(shape), 4)
    x = torch.rand(3, *shape) * 2 - 1
    torch.testing.assert_close(model.log_density(x), model.logits(x).exp().sum(1).log())
    assert model.logits(x).shape == (3, 4)


def laplacian_of_a_logit(settings):
    """Trace of the Hessian of the logit at a point, by autograd."""
    torch.manual_seed(0)
    model = settings.build(images((1, 8, 8)), 1).double().eval()
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64) * 2 - 1
    hessian = torch.autograd.functional.hessian(lambda row: model.log_density(row).sum(), x)
    return float(hessian.reshape(64, 64).diagonal().abs().sum())


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "softplus", "elu"])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_smooth_models_have_a_hessian(name, norm):
    settings = EnergyWideResNet(width=1, activation=name, norm=norm, bottleneck=0.2)
    assert settings.is_smooth == (laplacian_of_a_logit(settings) > 1e-12)


def test_equal_seeds_make_equal_models():
    def build():
        torch.manual_seed(3)
        return EnergyWideResNet(depth=16).build(images((1, 16, 16)), 1).state_dict()

    first, second = build(), build()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "wrong",
    [{"depth": 12}, {"depth": 4}, {"bottleneck": 0.0}, {"bottleneck": 1.5}, {"width": 0}, {"norm": "layer"}],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(pydantic.ValidationError):
        EnergyWideResNet.model_validate(wrong)


def test_a_table_is_refused_in_one_line():
    with pytest.raises(EbmoodError, match="takes images") as error:
        EnergyWideResNet().build(split_dataset(Toy(shape="moons", rows=40).load(), seed=0), 1)
    assert "\n" not in str(error.value)
