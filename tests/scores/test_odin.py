"""ODIN on a linear network, whose gradient is known, and its rule for the step."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs, labelled_rows, trained_classifier

from ebmood.core.errors import InputError
from ebmood.scores import Odin
from ebmood.scores.max_softmax import max_log_softmax
from ebmood.scores.odin import CANDIDATES

WEIGHT = torch.tensor([[1.0, -2.0, 0.5], [-1.0, 3.0, 0.25]], dtype=torch.float64)


def linear(x: torch.Tensor) -> torch.Tensor:
    return x @ WEIGHT.T


def test_two_classes_move_along_the_sign_of_the_difference_of_weights():
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    moved = Odin(step=0.1).perturb(linear, x)
    towards_first = 0.1 * torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(moved - x, torch.stack([towards_first, -towards_first]))


def test_a_step_of_zero_at_temperature_one_is_the_maximum_softmax_probability():
    data, score = classifier_outputs(), Odin(step=0.0, temperature=1.0)
    scores = score.fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, max_log_softmax(data.new.logits).numpy())


def test_the_step_is_the_candidate_with_the_largest_mean_probability():
    model, (x, _) = trained_classifier(), labelled_rows(60, seed=4)
    chosen = Odin().resolve(model, x).step
    scale = float(x.double().std())

    def mean_probability(step: float) -> float:
        moved = Odin(step=step).perturb(model, x)
        return float((model(moved) / 1000).softmax(1).amax(1).mean())

    means = {step * scale: mean_probability(step * scale) for step in CANDIDATES}
    assert chosen == pytest.approx(max(means, key=lambda step: means[step]))


def test_a_given_step_is_kept_and_a_missing_one_is_an_error():
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert Odin(step=0.5).resolve(linear, x).step == 0.5
    with pytest.raises(InputError, match="resolve"):
        Odin().perturb(linear, x)
    with pytest.raises(InputError, match="all input values are equal"):
        Odin().resolve(linear, x)
    with pytest.raises(InputError, match=r"torch\.int64"):
        Odin().resolve(linear, torch.zeros(2, 3, dtype=torch.int64))
