"""ViM against a few lines of NumPy, and what its residual ignores."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs
from scipy.special import logsumexp

from ebmood.scores import Outputs, ViM


def residual_basis(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    data = classifier_outputs()
    assert data.fit.head is not None
    origin = -np.linalg.pinv(data.fit.head.weight.numpy()) @ data.fit.head.bias.numpy()
    _, _, directions = np.linalg.svd(data.fit.outputs.features.numpy() - origin)
    return origin, directions[dimension:]


@pytest.mark.parametrize("dimension", [3, 6, 11])
def test_the_score_is_that_of_numpy(dimension):
    data = classifier_outputs()
    origin, basis = residual_basis(dimension)

    def residual(rows: Outputs) -> np.ndarray:
        return np.linalg.norm((rows.features.numpy() - origin) @ basis.T, axis=1)

    factor = data.fit.outputs.logits.numpy().max(1).sum() / residual(data.fit.outputs).sum()
    expected = logsumexp(data.new.logits.numpy(), axis=1) - factor * residual(data.new)
    np.testing.assert_allclose(ViM(dimension=dimension).fit(data.fit).score_samples(data.new), expected)


def test_a_step_within_the_principal_space_changes_nothing_but_the_logits():
    data = classifier_outputs()
    _, basis = residual_basis(6)
    step = np.ones(12) - basis.T @ (basis @ np.ones(12))
    moved = Outputs(data.new.features + torch.from_numpy(step), data.new.logits)
    fitted = ViM(dimension=6).fit(data.fit)
    np.testing.assert_allclose(fitted.score_samples(moved), fitted.score_samples(data.new), atol=1e-9)


def test_the_rule_for_the_dimension_leaves_a_residual():
    assert [ViM()._dimension(features) for features in (2, 12, 768, 2048)] == [1, 6, 512, 1000]
    assert ViM(dimension=50)._dimension(12) == 11
