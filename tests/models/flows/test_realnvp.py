"""The couplings and masks of RealNVP."""

import pytest
import torch
from helpers.flows import build_flow, random_images
from helpers.splits import image_split

from ebmood.core.errors import EbmoodError
from ebmood.models import RealNVP
from ebmood.models.flows.realnvp import Coupling, channel_mask, checkerboard_mask

pytest.importorskip("normflows")


def test_an_untrained_flow_permutes_the_pixels():
    flow = build_flow(RealNVP(channels=8, blocks=1), (1, 8, 8)).eval()
    x = random_images((1, 8, 8))
    z, _ = flow.transform(x)
    points = torch.cat([level.flatten(1) for level in z], 1)
    expected = (127.5 * (x + 1) + 0.5) / 256 - 0.5
    torch.testing.assert_close(points.sort(1)[0], expected.flatten(1).sort(1)[0])


@pytest.mark.parametrize("mask", [checkerboard_mask(4, 4, odd=True), channel_mask(6, second_half=False)])
def test_a_coupling_changes_only_values_without_mask(mask):
    torch.manual_seed(0)
    coupling = Coupling(mask, 6, 8, 1)
    for parameter in coupling.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    y = torch.randn(2, 6, 4, 4)
    z, log_det = coupling.inverse(y)
    mask = mask.expand_as(y).bool()
    assert torch.equal(z[mask], y[mask])
    assert (z[~mask] != y[~mask]).all()
    restored, backward = coupling(z)
    torch.testing.assert_close(restored, y)
    torch.testing.assert_close(backward, -log_det)


def test_two_masks_cover_all_values():
    assert torch.equal(
        checkerboard_mask(3, 5, odd=True) + checkerboard_mask(3, 5, odd=False), torch.ones(1, 1, 3, 5)
    )
    assert torch.equal(
        channel_mask(6, second_half=True) + channel_mask(6, second_half=False), torch.ones(1, 6, 1, 1)
    )


def test_images_that_cannot_be_halved_are_an_error_of_one_line():
    with pytest.raises(EbmoodError, match="multiple of 4") as error:
        RealNVP(scales=3).build(image_split((3, 18, 16)), 1)
    assert "\n" not in str(error.value)


def test_a_table_is_an_error():
    with pytest.raises(EbmoodError, match="takes images"):
        RealNVP().build(image_split((18,)), 1)
