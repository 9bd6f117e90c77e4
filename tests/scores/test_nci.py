"""NCI by a loop, and its rule for the weight of the norm."""

import numpy as np
import pytest
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import NCI


def alignment_and_norm(rows) -> tuple[np.ndarray, np.ndarray]:
    data = classifier_outputs()
    assert data.fit.head is not None
    weight, mean = data.fit.head.weight.numpy(), data.fit.outputs.features.numpy().mean(0)
    features, logits = rows.features.numpy(), rows.logits.numpy()
    along = [
        w @ (z - mean) / np.linalg.norm(z - mean)
        for w, z in zip(weight[logits.argmax(1)], features, strict=True)
    ]
    return np.array(along), np.abs(features).sum(1)


@pytest.mark.parametrize("norm_weight", [0.0, 0.3])
def test_the_score_is_that_of_a_loop(norm_weight):
    data = classifier_outputs()
    along, norm = alignment_and_norm(data.new)
    scores = NCI(norm_weight=norm_weight).fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, along + norm_weight * norm)


def test_both_terms_have_the_same_spread_over_in_distribution_rows():
    data = classifier_outputs()
    along, norm = alignment_and_norm(data.fit.outputs)
    assert float(NCI().fit(data.fit).norm_weight) * norm.std() == pytest.approx(along.std())
