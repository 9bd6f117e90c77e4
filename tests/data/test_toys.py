import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from ebmood.data import Toy, split_dataset, toys

SHAPES = ["moons", "rings", "checkerboard", "mixture"]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_rows_depend_on_the_own_seed_of_the_toy(shape):
    assert Toy(shape=shape).load().digest() == Toy(shape=shape).load().digest()
    assert Toy(shape=shape).load().digest() != Toy(shape=shape, drawn_with=1).load().digest()


@pytest.mark.parametrize("shape", SHAPES)
@settings(deadline=None, max_examples=20)
@given(rows=st.integers(20, 3000), seed=st.integers(0, 1000))
def test_toys_have_the_given_number_of_rows(shape, rows, seed):
    data = Toy(shape=shape, rows=rows, drawn_with=seed).load()
    assert data.x.shape == (rows, 2)
    assert data.natural["background"].shape == (rows // 4, 2)
    assert data.y is not None
    assert data.y.max() < len(data.classes)


@pytest.mark.parametrize("shape", SHAPES)
def test_background_is_in_the_extended_box_and_away_from_the_data(shape):
    data = Toy(shape=shape, rows=8000).load()
    background = data.natural["background"]
    low, high = data.x.min(axis=0), data.x.max(axis=0)
    assert (background >= low - (high - low) / 2).all()
    assert (background <= high + (high - low) / 2).all()
    assert (background.min(axis=0) < low).all()  # it fills the margin
    assert (background.max(axis=0) > high).all()
    in_box = ((background > low) & (background < high)).all(axis=1)
    assert in_box.mean() > 0.05  # it fills the gaps of the data
    # Compared with the rows: typical rows have close neighbours, background rows do not.
    to_data, _ = cKDTree(data.x).query(background)
    between, _ = cKDTree(data.x).query(data.x, k=2)
    assert np.median(to_data) > 5 * np.median(between[:, 1])
    assert not toys._GEOMETRIES[shape].is_close(background).any()
    assert toys._GEOMETRIES[shape].is_close(data.x).mean() > 0.98


def test_distances_agree_with_brute_force():
    """Distances to points on the arcs agree with the closed forms."""
    angle = np.linspace(0, np.pi, 4001)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    arcs = np.concatenate([upper, [1.0, 0.5] + upper * [1.0, -1.0]])
    points = np.random.default_rng(0).uniform([-2, -1.5], [3, 2], (4000, 2))
    distance, _ = cKDTree(arcs).query(points)
    clear = np.abs(distance - 0.3) > 1e-3
    np.testing.assert_array_equal(toys._GEOMETRIES["moons"].is_close(points)[clear], (distance <= 0.3)[clear])
    rings = Toy(shape="rings", rows=6000).load()
    radius = np.linalg.norm(rings.x, axis=1)
    for k in range(3):
        assert radius[rings.y == k].mean() == pytest.approx(k + 1, abs=0.02)
    board = Toy(shape="checkerboard", rows=6000).load()
    squares, counts = np.unique(np.floor(board.x).astype(int), axis=0, return_counts=True)
    assert len(squares) == 8
    assert (squares.sum(axis=1) % 2 == 0).all()
    assert counts.min() > 600


def test_a_toy_is_split_like_other_tables():
    split = split_dataset(Toy(shape="rings").load(), 0)
    assert split.classes == 3
    assert len(split.train_x) == 1600
