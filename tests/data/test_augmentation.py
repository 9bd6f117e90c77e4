import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from ebmood.core.seeding import torch_stream
from ebmood.data.augmentation import Augmentation, transform

IDENTITY = Augmentation(pad=0, rotate=0, flip=False)


@pytest.fixture
def images():
    return torch.randn(200, 3, 9, 12, generator=torch_stream(0, "images"))


def test_without_transformations_the_images_are_returned(images):
    assert IDENTITY(images, torch_stream(0, "a")) is images


def test_shifts_equal_crops_of_an_image_padded_by_reflection(images):
    out = Augmentation(pad=2, rotate=0, flip=False)(images, torch_stream(1, "a"))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    crops = np.stack([padded[:, :, i : i + 9, j : j + 12] for i in range(5) for j in range(5)])
    distance = np.abs(crops - out.numpy()).max(axis=(2, 3, 4))  # (25 crops, 200 images)
    np.testing.assert_allclose(distance.min(axis=0), 0, atol=1e-4)
    assert set(distance.argmin(axis=0)) == set(range(25))


def test_half_of_the_images_are_flipped_and_the_others_unchanged(images):
    out = Augmentation(pad=0, rotate=0, flip=True)(images, torch_stream(2, "a"))
    same = _equal(out, images)
    mirrored = _equal(out, images.flip(-1))
    assert (same ^ mirrored).all()
    assert 70 < int(same.sum()) < 130


def _equal(a, b):
    return (a - b).abs().amax(dim=(1, 2, 3)) < 1e-4


@pytest.mark.parametrize("degrees", [7.0, -15.0, 90.0])
def test_rotation_equals_that_of_scipy(images, degrees):
    angle = math.radians(degrees)
    count = 3
    out = transform(
        images[:count],
        torch.full((count,), angle),
        torch.zeros(2, count),
        torch.zeros(count, dtype=torch.bool),
    )
    # In (row, column) order, the pixel at (v, u) shows the point (sin u + cos v, cos u - sin v)
    matrix = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    centre = np.array([4.0, 5.5])
    for i in range(count):
        for channel in range(3):
            expected = affine_transform(
                images[i, channel].numpy().astype(float),
                matrix,
                centre - matrix @ centre,
                order=1,
                mode="mirror",
            )
            np.testing.assert_allclose(out[i, channel].numpy(), expected, atol=1e-4)


def test_angles_are_in_the_given_range():
    # The gradient of a ramp rotates with the image, so its direction at the centre is the angle.
    ramp = torch.linspace(-1, 1, 33).expand(500, 1, 33, 33).contiguous()
    out = Augmentation(pad=0, rotate=15, flip=False)(ramp, torch_stream(3, "a"))
    across, down = (out[:, 0, 16, 17] - out[:, 0, 16, 15]), (out[:, 0, 17, 16] - out[:, 0, 15, 16])
    degrees = torch.atan2(down, across).rad2deg()
    assert degrees.abs().max() <= 15.01
    assert degrees.max() > 14
    assert degrees.min() < -14
    assert abs(float(degrees.mean())) < 1.5


def test_constant_images_stay_constant_and_results_are_reproducible(images):
    flat = torch.full((20, 1, 8, 8), 0.3)
    torch.testing.assert_close(Augmentation()(flat, torch_stream(4, "a")), flat)
    a, b = (Augmentation()(images, torch_stream(5, "a")) for _ in range(2))
    assert torch.equal(a, b)
    assert images.amin() <= a.amin()
    assert a.amax() <= images.amax()
