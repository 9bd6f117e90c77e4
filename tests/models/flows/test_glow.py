"""The levels and steps of Glow."""

import pytest
import torch
from helpers.flows import build_flow, random_images
from helpers.splits import image_split

from ebmood.core.errors import EbmoodError
from ebmood.models import Glow
from ebmood.models.flows.image_flow import ActNorm

pytest.importorskip("normflows")


def test_half_of_the_channels_are_split_off_after_every_level_but_the_last():
    flow = build_flow(Glow(levels=3, steps=1, channels=4), (3, 16, 16)).eval()
    z, _ = flow.transform(random_images((3, 16, 16), 2))
    assert [tuple(points.shape[1:]) for points in z] == [(48, 2, 2), (12, 4, 4), (6, 8, 8)]


def test_every_step_has_an_actnorm_of_this_package():
    flow = build_flow(Glow(levels=2, steps=3, channels=4), (1, 8, 8))
    assert sum(isinstance(module, ActNorm) for module in flow.modules()) == 6


def test_the_1x1_convolutions_start_as_rotations():
    flow = build_flow(Glow(levels=1, steps=1, channels=4), (2, 4, 4))
    weights = [parameter for name, parameter in flow.named_parameters() if name.endswith("flows.1.W")]
    assert weights
    for weight in weights:
        matrix = weight.detach().squeeze()
        torch.testing.assert_close(matrix @ matrix.T, torch.eye(8), atol=1e-5, rtol=0)


def test_images_that_cannot_be_halved_are_an_error_of_one_line():
    with pytest.raises(EbmoodError, match="multiple of 8") as error:
        Glow().build(image_split((1, 28, 28)), 1)
    assert "\n" not in str(error.value)


def test_a_table_is_an_error():
    with pytest.raises(EbmoodError, match="takes images"):
        Glow().build(image_split((18,)), 1)
