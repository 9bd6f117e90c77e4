"""How many features remain, and the factor of ASH and SCALE."""

import math

import pytest
import torch

from ebmood.scores.shaping import factor, kept, largest_only


def test_the_number_of_features_that_remain():
    assert [kept(10, percentile) for percentile in (0, 65, 90, 99.9)] == [10, 4, 1, 1]


def test_all_but_the_largest_features_become_zero():
    features = torch.tensor([[1.0, 5.0, 2.0, 4.0]])
    assert largest_only(features, 2).tolist() == [[0.0, 5.0, 0.0, 4.0]]


def test_the_factor_of_equal_features_and_of_one_large_feature():
    assert float(factor(torch.ones(1, 8, dtype=torch.float64), 2)) == pytest.approx(math.exp(4))
    assert float(factor(torch.eye(8, dtype=torch.float64)[:1], 2)) == pytest.approx(math.e)


def test_rows_without_positive_sums_have_a_finite_factor():
    rows = torch.tensor([[0.0, 0.0, 0.0], [-1.0, -2.0, -3.0], [1e-9, -1.0, -1.0]], dtype=torch.float64)
    assert factor(rows, 1).flatten().tolist() == pytest.approx([math.e] * 3)
