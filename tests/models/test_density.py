"""What all density models share."""

import pytest
import torch
from helpers.quadratic import quadratic_model
from helpers.splits import image_split, moons_split

from ebmood.core.errors import EbmoodError
from ebmood.models import AnchoredMLP, EnergyMLP, EnergyWideResNet, Glow, Radial, RealNVP, Spline
from ebmood.models.density import image_shape


def test_calling_a_model_returns_its_log_density():
    model, x = quadratic_model(2), torch.ones(3, 2)
    assert torch.equal(model(x), model.log_density(x))


def test_rows_are_not_dequantized_by_default(noise):
    x = torch.ones(3, 2)
    assert quadratic_model(2).dequantize(x, noise) is x


def test_the_shape_of_images_is_that_of_one_row():
    assert image_shape(image_split((3, 16, 8)), "energy-wideresnet") == (3, 16, 8)


def test_a_table_without_images_is_an_error_of_one_line():
    with pytest.raises(EbmoodError, match="takes images") as error:
        image_shape(moons_split(40), "energy-wideresnet")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("settings", [EnergyMLP(), AnchoredMLP(), Radial(), Spline()])
def test_settings_of_tables_know_whether_their_model_is_normalised(settings):
    assert settings.build(moons_split(40), 1).normalised == settings.is_normalised


@pytest.mark.parametrize("settings", [EnergyWideResNet(), RealNVP(), Glow(levels=2, steps=1, channels=4)])
def test_settings_of_images_know_whether_their_model_is_normalised(settings):
    assert settings.build(image_split((1, 16, 16)), 1).normalised == settings.is_normalised
