"""The distance to the k-th nearest neighbour."""

import numpy as np
from helpers.splits import moons_split

from ebmood.models import KNearestNeighbours


def test_the_score_is_minus_the_distance_to_the_kth_neighbour():
    split = moons_split(300)
    model = KNearestNeighbours(k=3).fit(split.train_x)
    distances = np.sort(np.linalg.norm(split.test_x[:, None] - split.train_x[None], axis=2), axis=1)
    np.testing.assert_allclose(model.score_samples(split.test_x), -distances[:, 2], rtol=1e-5, atol=1e-6)


def test_fewer_rows_than_k_use_the_farthest():
    model = KNearestNeighbours(k=5).fit(np.array([[0.0], [2.0]]))
    assert model.score_samples(np.array([[0.0]])) == [-2.0]
