"""The three variants of ASH by hand, and without pruning."""

import math

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import ASH, Energy

ROW = torch.tensor([[1.0, 5.0, 0.0, 4.0]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("p", [0.0, 5.0, 0.0, 4.0]),
        ("b", [0.0, 5.0, 0.0, 5.0]),
        ("s", [0.0, 5.0 * math.exp(10 / 9), 0.0, 4.0 * math.exp(10 / 9)]),
    ],
)
def test_the_shaped_features_by_hand(variant, expected):
    assert ASH(variant=variant, percentile=50.0).shaped(ROW)[0].tolist() == pytest.approx(expected)


def test_variant_p_without_pruning_is_the_energy():
    data = classifier_outputs()
    scores = ASH(variant="p", percentile=0.0).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, Energy().fit(data.fit).score_samples(data.new))


def test_variant_b_keeps_the_sum():
    features = classifier_outputs().new.features
    torch.testing.assert_close(ASH(variant="b").shaped(features).sum(1), features.sum(1))
