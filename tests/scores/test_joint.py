"""The joint energy is a function of both of its scores."""

import numpy as np
import pytest
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import GEN, Energy, JointEnergy, MaxLogit, MaxSoftmax, MemoryScore, Outputs


def standardised(score, held: np.ndarray, new: np.ndarray) -> np.ndarray:
    low, median = np.quantile(held, [0.05, 0.5])
    return (new - median) / (median - low)


@pytest.mark.parametrize(
    ("name", "score"),
    [("energy", Energy()), ("max-logit", MaxLogit()), ("max-softmax", MaxSoftmax()), ("gen", GEN())],
)
def test_it_is_the_mean_or_the_minimum_of_both_standardised_scores(name, score):
    data = classifier_outputs()
    fitted = score.fit(data.fit)
    of_logits = standardised(score, fitted.score_samples(data.fit.outputs), fitted.score_samples(data.new))
    _, _, held = MemoryScore().fit_with_scores(data.fit)
    of_features = standardised(score, held.numpy(), MemoryScore().fit(data.fit).score_samples(data.new))
    mean = JointEnergy(logits=name, logit_weight=0.25, bounded=False).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(mean, 0.75 * of_features + 0.25 * of_logits)
    bounded = JointEnergy(logits=name, logit_weight=0.25).fit(data.fit).score_samples(data.new)
    expected = -0.75 * np.logaddexp(0, -of_features) - 0.25 * np.logaddexp(0, -of_logits)
    np.testing.assert_allclose(bounded, expected)
    least = JointEnergy(logits=name, combine="min").fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(least, np.minimum(of_features, of_logits))


def test_a_weight_of_one_orders_rows_as_the_logits_do():
    data = classifier_outputs()
    scores = JointEnergy(logit_weight=1.0, bounded=False).fit(data.fit).score_samples(data.new)
    assert np.array_equal(np.argsort(scores), np.argsort(Energy().fit(data.fit).score_samples(data.new)))


def test_large_logits_do_not_hide_features_that_are_unlike_all_rows():
    data = classifier_outputs()
    far = Outputs(-data.new.features, 1000 + data.new.logits)
    assert JointEnergy().fit(data.fit).score_samples(far).max() < np.quantile(
        JointEnergy().fit(data.fit).score_samples(data.new), 0.05
    )
