"""The maximum softmax probability against closed forms."""

import math

import pytest
import torch

from ebmood.scores.max_softmax import max_log_softmax


def test_equal_logits_give_one_over_the_number_of_classes():
    assert float(max_log_softmax(torch.full((1, 5), 3.0, dtype=torch.float64))) == pytest.approx(-math.log(5))


def test_two_classes_give_the_logistic_function_of_the_gap():
    score = max_log_softmax(torch.tensor([[2.0, -1.0]], dtype=torch.float64))
    assert float(score.exp()) == pytest.approx(1 / (1 + math.exp(-3)))


def test_rows_are_ordered_where_the_probability_rounds_to_one():
    scores = max_log_softmax(torch.tensor([[50.0, 0.0], [60.0, 0.0]], dtype=torch.float64))
    assert scores[0] < scores[1] < 0
