"""Settings of image energies: shapes, smoothness, and invalid settings."""

import pydantic
import pytest
import torch
from helpers.splits import image_split

from ebmood.models import EnergyWideResNet


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 32, 32)])
def test_the_log_density_is_the_logsumexp_of_the_logits(shape):
    torch.manual_seed(0)
    model = EnergyWideResNet(bottleneck=0.1).build(image_split(shape), 4)
    x = torch.rand(3, *shape) * 2 - 1
    torch.testing.assert_close(model.log_density(x), model.logits(x).exp().sum(1).log())
    assert model.logits(x).shape == (3, 4)


def hessian_diagonal(settings):
    """The sum of absolute values on the diagonal of the logit's Hessian at one point, by autograd."""
    torch.manual_seed(0)
    model = settings.build(image_split((1, 8, 8)), 1).double().eval()
    x = torch.rand(1, 1, 8, 8, dtype=torch.float64) * 2 - 1
    hessian = torch.autograd.functional.hessian(lambda row: model.log_density(row).sum(), x)
    return float(hessian.reshape(64, 64).diagonal().abs().sum())


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "silu", "softplus", "elu"])
@pytest.mark.parametrize("norm", [None, "batch"])
def test_smooth_models_are_those_with_a_hessian(name, norm):
    settings = EnergyWideResNet(width=1, activation=name, norm=norm, bottleneck=0.2)
    assert settings.is_smooth == (hessian_diagonal(settings) > 1e-12)


def test_equal_seeds_give_equal_weights():
    def build():
        torch.manual_seed(3)
        return EnergyWideResNet(depth=16).build(image_split((1, 16, 16)), 1).state_dict()

    first, second = build(), build()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "settings",
    [{"depth": 12}, {"depth": 4}, {"bottleneck": 0.0}, {"bottleneck": 1.5}, {"width": 0}, {"norm": "layer"}],
)
def test_invalid_settings_are_an_error(settings):
    with pytest.raises(pydantic.ValidationError):
        EnergyWideResNet.model_validate(settings)
