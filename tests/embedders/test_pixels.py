"""The ranges of pixels against the definitions of other libraries."""

import numpy as np
import pytest
import torch

from ebmood.embedders.pixels import SCALES, scale_pixels

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 5), dtype=np.uint8)


def test_imagenet_is_that_of_torchvision():
    transforms = pytest.importorskip("torchvision.transforms.functional")
    expected = transforms.normalize(
        torch.from_numpy(IMAGES).float() / 255, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    )
    torch.testing.assert_close(scale_pixels(IMAGES, "imagenet"), expected, rtol=1e-5, atol=1e-5)


def test_ends_of_the_other_ranges():
    ends = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(3, 1)
    found = {name: scale_pixels(ends, name)[:, 0, 0, 0].tolist() for name in SCALES if name != "imagenet"}
    assert found == {"unit": [0.0, 1.0], "signed": [-127 / 128, 1.0], "bytes": [0.0, 255.0]}
