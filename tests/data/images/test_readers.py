import sys

import numpy as np
import pytest
from PIL import Image

from ebmood.core.errors import EbmoodError
from ebmood.data.images.readers import CorruptDataError, import_vision, open_image
from ebmood.data.images.resize import resize_image

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
COLOUR = np.stack([GREY, 255 - GREY, np.full_like(GREY, 90)], axis=-1)


def pixels_of(path, channels: int) -> np.ndarray:
    return resize_image(open_image(path, str(path)), channels, 8)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (Image.fromarray(GREY.astype(np.uint16) * 257), "a.png"),
        (Image.fromarray(GREY.astype(np.uint16) * 257), "a.tif"),
        (Image.fromarray(GREY.astype(np.int32) * 257), "a.pgm"),
        (Image.fromarray(GREY), "a.png"),
        (Image.fromarray(GREY).convert("LA"), "a.png"),
    ],
)
def test_greyscale_keeps_its_values_whatever_its_depth(tmp_path, image, name):
    image.save(tmp_path / name)
    assert (pixels_of(tmp_path / name, 1)[0] == GREY).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "P"])
def test_colours_keep_their_values_in_all_modes(tmp_path, mode):
    name = "a.tif" if mode == "CMYK" else "a.png"
    image = Image.fromarray(COLOUR)
    image.quantize(64).save(tmp_path / name) if mode == "P" else image.convert(mode).save(tmp_path / name)
    np.testing.assert_allclose(pixels_of(tmp_path / name, 3), COLOUR.transpose(2, 0, 1), atol=2)


def test_one_bit_and_the_first_image_of_an_animation(tmp_path):
    black_and_white = Image.fromarray(GREY > 100)
    black_and_white.save(tmp_path / "a.png")
    assert (pixels_of(tmp_path / "a.png", 1)[0] == np.where(GREY > 100, 255, 0)).all()
    frames = [Image.fromarray(np.full((8, 8), value, np.uint8)) for value in (30, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (pixels_of(tmp_path / "a.gif", 1) == 30).all()


def test_numbers_without_a_known_range_are_refused(tmp_path):
    for values in (GREY.astype(np.float32), GREY.astype(np.int32)):
        Image.fromarray(values).save(tmp_path / "a.tif")
        with pytest.raises(
            CorruptDataError, match=r"a.tif: pixels of mode [FI] have no known range, so convert"
        ):
            open_image(tmp_path / "a.tif", "a.tif")


def test_the_message_about_an_absent_package_names_the_extras_that_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(
        EbmoodError, match=r"'ebmood\[images\]' for photos, or 'ebmood\[vision\]' for studies"
    ):
        import_vision("PIL.Image")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(EbmoodError, match=r"run: pip install 'ebmood\[vision\]'$"):
        import_vision("lmdb")
