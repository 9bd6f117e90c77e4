import base64
import io

import numpy as np
from matplotlib.image import imread

from ebmood.study.pictures import pictures


def read(text: str) -> np.ndarray:
    return np.round(imread(io.BytesIO(base64.b64decode(text)), format="png")[..., :3] * 255)


def test_a_grid_shows_every_image_where_it_belongs():
    x = np.full((5, 1, 4, 4), -1.0)
    x[4] = 1.0
    x[1, 0, 2, 3] = 7.0  # beyond the range: white
    grid = read(pictures({"chains": x})["chains"])
    assert grid.shape == (9, 14, 3)  # two rows of three, a white line between
    assert (grid[:4, :4] == 0).all()
    assert (grid[5:9, 5:9] == 255).all()
    assert (grid[2, 8] == 255).all()
    assert (grid[4] == 255).all()


def test_colour_and_what_is_no_picture():
    x = np.zeros((1, 3, 2, 2))
    x[0, 0] = 1
    found = pictures({"generator": x, "chains": np.zeros((9, 18))})
    assert list(found) == ["generator"]
    assert read(found["generator"])[0, 0].tolist() == [255, 128, 128]
