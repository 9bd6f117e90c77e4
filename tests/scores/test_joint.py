"""The joint energy is a function of its parts."""

import numpy as np
import pytest
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import GEN, Energy, JointEnergy, MaxLogit, MaxSoftmax, MemoryScore, Outputs


def standardised(held: np.ndarray, new: np.ndarray) -> np.ndarray:
    low, median = np.quantile(held, [0.05, 0.5])
    return (new - median) / (median - low)


@pytest.mark.parametrize(
    ("name", "score"),
    [("energy", Energy()), ("max-logit", MaxLogit()), ("max-softmax", MaxSoftmax()), ("gen", GEN())],
)
def test_it_is_the_mean_of_the_bounded_standardised_parts(name, score):
    data = classifier_outputs()
    fitted = score.fit(data.fit)
    parts = [standardised(fitted.score_samples(data.fit.outputs), fitted.score_samples(data.new))]
    for space in ("normalised", "whitened"):
        memory = MemoryScore(space=space)
        _, _, held = memory.fit_with_scores(data.fit)
        parts.append(standardised(held.numpy(), memory.fit(data.fit).score_samples(data.new)))
    scores = JointEnergy(logits=name).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, -np.logaddexp(0, -np.array(parts)).mean(axis=0))


def test_it_sees_the_norm_of_features_and_their_direction():
    data = classifier_outputs()
    fitted = JointEnergy().fit(data.fit)
    usual = np.quantile(fitted.score_samples(data.new), 0.05)
    logits = data.new.logits.mean(0).expand_as(data.new.logits)
    for features in (20 * data.new.features, -data.new.features):
        assert np.median(fitted.score_samples(Outputs(features, logits))) < usual


def test_large_logits_do_not_hide_features_that_are_unlike_all_rows():
    data = classifier_outputs()
    far = Outputs(-data.new.features, 1000 + data.new.logits)
    assert JointEnergy().fit(data.fit).score_samples(far).max() < np.quantile(
        JointEnergy().fit(data.fit).score_samples(data.new), 0.05
    )
