"""fDBD on boundaries whose distances are known, and for classes without a boundary."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import FDBD, FitRows, Outputs


def test_distances_from_boundaries_of_axes():
    # Classes x > 0 and x < 0: the boundary is x = 0, at distance 3; the mean is at distance 5.
    rows = FitRows.of_arrays([[1.0, 0.0], [-1.0, 0.0]], [[1.0, -1.0], [-1.0, 1.0]], weight=[[1, 0], [-1, 0]])
    scores = FDBD().fit(rows).score_samples(Outputs.of_arrays([[3.0, 4.0]], [[3.0, -3.0]]))
    assert scores.tolist() == pytest.approx([3 / 5])


def test_the_score_is_that_of_a_loop():
    data = classifier_outputs()
    assert data.fit.head is not None
    weight, mean = data.fit.head.weight.numpy(), data.fit.outputs.features.numpy().mean(0)
    expected = []
    for z, f in zip(data.new.features.numpy(), data.new.logits.numpy(), strict=True):
        y = f.argmax()
        gaps = [(f[y] - f[k]) / np.linalg.norm(weight[y] - weight[k]) for k in range(4) if k != y]
        expected.append(np.mean(gaps) / np.linalg.norm(z - mean))
    np.testing.assert_allclose(FDBD().fit(data.fit).score_samples(data.new), expected)


def test_classes_of_equal_weight_are_finite():
    rows = FitRows.of_arrays(np.eye(2), np.eye(2) @ np.ones((2, 3)), weight=np.ones((3, 2)))
    scores = FDBD().fit(rows).score_samples(Outputs(torch.eye(2).double(), torch.ones(2, 3).double()))
    assert scores.tolist() == [0, 0]
