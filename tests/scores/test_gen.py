"""GEN against closed forms for equal probabilities and for two classes."""

import math

import pytest
import torch

from ebmood.scores import GEN, Outputs


def gen(logits: list[float], **settings: float) -> float:
    row = torch.tensor([logits], dtype=torch.float64)
    return float(GEN.model_validate(settings).score({}, Outputs(row, row)))


def test_equal_probabilities():
    assert gen([1.0] * 4, gamma=0.5) == pytest.approx(-4 * math.sqrt(3 / 16))
    assert gen([1.0] * 4, gamma=0.5, largest=2) == pytest.approx(-2 * math.sqrt(3 / 16))


def test_two_classes():
    p = 1 / (1 + math.exp(-2))
    assert gen([2.0, 0.0]) == pytest.approx(-2 * (p * (1 - p)) ** 0.1)


def test_certain_rows_are_ordered_where_one_minus_p_rounds_to_zero():
    assert gen([50.0, 0.0]) < gen([60.0, 0.0]) < 0
