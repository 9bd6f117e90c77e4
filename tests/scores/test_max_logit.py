"""The maximum logit is the maximum, and does not ignore a shift of all logits."""

import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import MaxLogit, Outputs


def test_the_score_is_the_largest_logit():
    data = classifier_outputs()
    scores = MaxLogit().fit(data.fit).score_samples(data.new)
    assert scores.tolist() == [max(row) for row in data.new.logits.tolist()]


def test_a_shift_of_all_logits_shifts_the_score():
    data = classifier_outputs()
    fitted = MaxLogit().fit(data.fit)
    shifted = Outputs(data.new.features, data.new.logits + 2)
    torch.testing.assert_close(
        torch.from_numpy(fitted.score_samples(shifted)), torch.from_numpy(fitted.score_samples(data.new)) + 2
    )
