"""Splits for tests that need only a shape, or a small table."""

from dataclasses import replace

import numpy as np

from ebmood.data import Toy, split_dataset
from ebmood.data.dataset import Split


def moons_split(rows: int = 400) -> Split:
    return split_dataset(Toy(shape="moons", rows=rows).load(), seed=0)


def image_split(shape: tuple[int, ...], rows: int = 4) -> Split:
    """A split with black training images `(C, H, W)`, for models that read only their shape."""
    return replace(moons_split(40), train_x=np.zeros((rows, *shape), dtype=np.uint8))
