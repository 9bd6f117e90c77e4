import base64
import io

import numpy as np
import pytest
from helpers.image_records import made_image, png
from matplotlib.image import imread
from PIL import Image

from ebmood.core.errors import EbmoodError
from ebmood.results.arms import gather
from ebmood.results.figures.samples import samples


def test_the_first_seed_with_samples_is_written_with_every_pixel_as_a_square(tmp_path):
    records = [
        made_image("cd", 0, variant="corrected"),
        made_image("cd", 1, variant="corrected", pictures={"chains": png(3, 2)}),
        made_image("cd", 2, variant="corrected", pictures={"chains": png(9, 9)}),
        made_image("vera", 0, gamma=100.0, pictures={"generator": png(8, 4)}),
    ]
    names = [drawing.name for drawing in samples(gather(records), "x", tmp_path)]
    assert names == ["samples-x-cd-corrected-chains", "samples-x-vera-corrected-gamma-100-generator"]
    written = imread(tmp_path / f"{names[0]}.png")[..., :3]
    original = imread(io.BytesIO(base64.b64decode(png(3, 2))))
    assert written.shape == (480, 720, 3)
    squares = original.repeat(240, axis=0).repeat(240, axis=1)
    np.testing.assert_allclose(written, np.stack([squares] * 3, axis=-1), atol=0.6 / 255)


def test_every_grey_level_and_colour_keeps_its_value(tmp_path):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for number, pixels in enumerate((np.stack([greys, greys.T, 255 - greys], axis=-1), greys)):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        content = base64.b64encode(file.getvalue()).decode()
        folder = tmp_path / str(number)
        list(samples(gather([made_image("cd", pictures={"chains": content})]), "x", folder))
        (path,) = folder.iterdir()
        written = np.asarray(Image.open(path).convert("RGB"))
        expected = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
        np.testing.assert_array_equal(written[::45, ::45], expected)


def test_a_large_picture_is_not_changed(tmp_path):
    list(samples(gather([made_image("cd", pictures={"chains": png(800, 2)})]), "x", tmp_path))
    (written,) = tmp_path.iterdir()
    assert imread(written).shape[:2] == (2, 800)


def test_an_invalid_picture_raises(tmp_path):
    for content in ("no base64!", base64.b64encode(b"GIF89a").decode()):
        with pytest.raises(EbmoodError, match="record cd-0: the picture 'chains' is not a PNG"):
            list(samples(gather([made_image("cd", pictures={"chains": content})]), "fmnist", tmp_path))
