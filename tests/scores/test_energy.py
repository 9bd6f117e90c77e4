"""The energy of logits against SciPy, and its limit for small temperatures."""

import numpy as np
import pytest
from helpers.classifier_outputs import classifier_outputs
from scipy.special import logsumexp

from ebmood.scores import Energy


@pytest.mark.parametrize("temperature", [1.0, 0.3, 7.0])
def test_the_score_is_the_logsumexp_of_scipy(temperature):
    data = classifier_outputs()
    scores = Energy(temperature=temperature).fit(data.fit).score_samples(data.new)
    expected = temperature * logsumexp(data.new.logits.numpy() / temperature, axis=1)
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_a_small_temperature_gives_the_largest_logit():
    data = classifier_outputs()
    scores = Energy(temperature=1e-6).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, data.new.logits.amax(1).numpy(), atol=1e-5)
