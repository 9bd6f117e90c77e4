import warnings

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ebmood.data.images.resize import count_channels, resize_image

sides = st.integers(1, 40)


def as_image(values) -> Image.Image:
    return Image.fromarray(np.asarray(values, dtype=np.uint8))


@given(
    width=sides, height=sides, size=st.integers(4, 20), channels=st.sampled_from([1, 3]), grey=st.booleans()
)
def test_any_image_gets_the_shape_and_stays_within_its_range(width, height, size, channels, grey):
    shape = (height, width) if grey else (height, width, 3)
    values = np.random.default_rng(width * 41 + height).integers(60, 200, shape)
    out = resize_image(as_image(values), channels, size)
    assert out.shape == (channels, size, size)
    assert out.dtype == np.uint8
    assert values.min() <= out.min()
    assert out.max() <= values.max()


@given(size=st.integers(4, 20), extra=st.integers(0, 9), wide=st.booleans())
def test_an_image_with_the_right_shorter_side_is_only_cropped(size, extra, wide):
    values = np.random.default_rng(extra).integers(0, 256, (size, size + extra, 3), dtype=np.uint8)
    cropped = values[:, extra // 2 : extra // 2 + size]
    if not wide:
        values, cropped = values.swapaxes(0, 1), cropped.swapaxes(0, 1)
    np.testing.assert_array_equal(resize_image(as_image(values), 3, size), cropped.transpose(2, 0, 1))


def test_grey_is_repeated_and_colour_becomes_luma():
    grey = np.arange(256).reshape(16, 16)
    np.testing.assert_array_equal(resize_image(as_image(grey), 3, 16), np.stack([grey] * 3))
    colour = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    np.testing.assert_allclose(
        resize_image(as_image(colour), 1, 16)[0], colour @ [0.299, 0.587, 0.114], atol=0.51, rtol=0
    )
    assert count_channels(as_image(grey)) == 1
    assert count_channels(as_image(colour)) == 3


def test_shrinking_is_antialiased():
    board = 255 * (np.indices((32, 32)).sum(axis=0) % 2)
    small = resize_image(as_image(board), 1, 16)
    assert np.ptp(small[0, 2:-2, 2:-2].astype(int)) <= 2  # grey instead of black and white


def test_palettes_and_transparency_are_converted_to_colours():
    colour = np.zeros((8, 8, 3), dtype=np.uint8)
    colour[:, :4] = (200, 10, 60)
    plain = as_image(colour)
    palette = plain.convert("P", palette=Image.Palette.ADAPTIVE)
    palette.info["transparency"] = bytes([0, 255])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for image in (palette, plain.convert("RGBA"), plain.convert("CMYK")):
            np.testing.assert_allclose(resize_image(image, 3, 8), colour.transpose(2, 0, 1), atol=1)
