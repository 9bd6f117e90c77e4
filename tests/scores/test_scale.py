"""SCALE: without a percentile, all features are multiplied by e."""

import math

import numpy as np
from helpers.classifier_outputs import classifier_outputs
from scipy.special import logsumexp

from ebmood.scores import Scale


def test_a_percentile_of_zero_multiplies_all_features_by_e():
    data = classifier_outputs()
    assert data.fit.head is not None
    expected = data.fit.head(math.e * data.new.features).logsumexp(1)
    np.testing.assert_allclose(Scale(percentile=0.0).fit(data.fit).score_samples(data.new), expected.numpy())


def test_the_score_is_that_of_numpy():
    data = classifier_outputs()
    assert data.fit.head is not None
    features = data.new.features.numpy()
    largest = np.sort(features, axis=1)[:, 6:].sum(1)
    scaled = features * np.exp(features.sum(1) / largest)[:, None]
    expected = logsumexp(scaled @ data.fit.head.weight.numpy().T + data.fit.head.bias.numpy(), axis=1)
    np.testing.assert_allclose(Scale(percentile=50.0).fit(data.fit).score_samples(data.new), expected)
