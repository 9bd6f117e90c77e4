import base64
import io

import numpy as np
from matplotlib.image import imread

from ebmood.study.sample_grids import sample_grids


def pixels(text: str) -> np.ndarray:
    return np.round(imread(io.BytesIO(base64.b64decode(text)), format="png")[..., :3] * 255)


def test_a_grid_shows_every_image_at_its_position():
    x = np.full((5, 1, 4, 4), -1.0)
    x[4] = 1.0
    x[1, 0, 2, 3] = 7.0  # out of range: clipped to white
    grid = pixels(sample_grids({"chains": x})["chains"])
    assert grid.shape == (9, 14, 3)  # two rows of three, separated by a white line
    assert (grid[:4, :4] == 0).all()
    assert (grid[5:9, 5:9] == 255).all()
    assert (grid[2, 8] == 255).all()
    assert (grid[4] == 255).all()


def test_colour_images_are_drawn_and_other_arrays_are_skipped():
    x = np.zeros((1, 3, 2, 2))
    x[0, 0] = 1
    grids = sample_grids({"generator": x, "chains": np.zeros((9, 18))})
    assert list(grids) == ["generator"]
    assert pixels(grids["generator"])[0, 0].tolist() == [255, 128, 128]
