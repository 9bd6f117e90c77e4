import numpy as np
import pytest

from ebmood.detector.patches.heat_map import (
    HeatScale,
    Square,
    enlarge,
    overlay,
    picture_of,
    square_of,
    strangest_place,
)
from ebmood.embedders.images import ImageFile, ImageInMemory

Image = pytest.importorskip("PIL.Image")

RNG = np.random.default_rng(0)


def test_an_enlarged_map_has_the_values_of_cells_at_their_centres():
    energies = RNG.normal(size=(2, 4, 4)).astype(np.float32)
    large = enlarge(energies, 12)
    np.testing.assert_allclose(large[:, 1::3, 1::3], energies, atol=1e-6)
    assert large.max() <= energies.max()
    np.testing.assert_allclose(
        enlarge(np.full((1, 3, 3), 2, np.float32), 7), np.full((1, 7, 7), 2), rtol=1e-6
    )


def test_ordinary_places_are_not_coloured_and_strange_ones_are_outlined():
    image = RNG.integers(0, 256, (3, 32, 32), dtype=np.uint8)
    scale = HeatScale(low=0.0, high=4.0, threshold=2.0)
    calm = overlay(image, np.full((8, 8), -1, np.float32), scale)
    pixels = image.transpose(1, 2, 0).astype(float)
    np.testing.assert_allclose(calm, 0.5 * pixels + 0.5 * pixels.mean(-1, keepdims=True), atol=0.51)
    energies = np.full((8, 8), -1, np.float32)
    energies[2:4, 4:6] = 3
    hot = overlay(image, energies, scale)
    assert (hot[11:13, 19:21] != calm[11:13, 19:21]).any()
    np.testing.assert_array_equal(hot[20:], calm[20:])
    line = (hot == 0).all(-1)
    heat = enlarge(energies[None], 32)[0]
    assert line.any()
    assert (heat[line] > 2).all()
    assert not (overlay(image, energies, HeatScale(0.0, 4.0, None)) == 0).all(-1).any()


def test_the_scale_comes_from_the_calibration_images():
    scale = HeatScale.of_calibration(np.array([-4.0, -1.0, 0.0]), -2.0)
    assert scale == HeatScale(low=1.0, high=13.0, threshold=2.0)
    assert HeatScale.of_calibration(np.array([-1.0, -1.0]), -np.inf).threshold is None
    assert HeatScale.of_calibration(np.array([-1.0, -1.0]), -np.inf).high > 1


def test_the_strangest_place_is_a_pixel_of_the_original_image(tmp_path):
    energies = np.zeros((4, 8), np.float32)
    energies[3, 1] = 1
    assert strangest_place(energies) == (3, 1)
    assert Square.of(100, 80).pixel((3, 1), (4, 8)) == (10 + 15, 70)


def test_squares_of_turned_photos_are_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (60, 40)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("RGB", (60, 40)).save(tmp_path / "plain.jpg")
    assert square_of(ImageFile(tmp_path / "turned.jpg")) == Square(0, 10, 40)
    assert square_of(ImageFile(tmp_path / "plain.jpg")) == Square(10, 0, 40)
    assert square_of(ImageInMemory(np.zeros((3, 40, 60), np.uint8), "x")) == Square(10, 0, 40)
    assert square_of(ImageInMemory(Image.new("L", (60, 40)), "x")) == Square(10, 0, 40)
    assert picture_of(ImageFile(tmp_path / "plain.jpg")).shape == (3, 40, 40)
    assert picture_of(ImageFile(tmp_path / "plain.jpg"), 16).shape == (3, 16, 16)
