"""Whitening and distances of Gaussians."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs
from scipy.spatial.distance import cdist
from sklearn.covariance import ledoit_wolf

from ebmood.scores.gaussian import (
    class_means,
    inverse_root,
    shrunk_inverse_root,
    squared_mahalanobis,
    within_class_residuals,
)


def test_whitened_residuals_have_the_identity_as_covariance():
    residuals = within_class_residuals(classifier_outputs().fit)
    white = residuals @ inverse_root(residuals, 0.0)
    identity = torch.eye(white.shape[1], dtype=torch.float64)
    torch.testing.assert_close(white.mT @ white / len(white), identity)


def test_residuals_of_each_class_have_mean_zero():
    rows = classifier_outputs().fit
    residuals = within_class_residuals(rows)
    assert rows.labels is not None
    for k in range(4):
        torch.testing.assert_close(
            residuals[rows.labels == k].mean(0), torch.zeros(12, dtype=torch.float64), atol=1e-12, rtol=0
        )


def test_distances_equal_those_of_scipy():
    data = classifier_outputs()
    residuals, means = within_class_residuals(data.fit), class_means(data.fit)
    ours = squared_mahalanobis(data.new.features, means, inverse_root(residuals, 0.0))
    precision = np.linalg.inv((residuals.mT @ residuals / len(residuals)).numpy())
    expected = cdist(data.new.features.numpy(), means.numpy(), "mahalanobis", VI=precision) ** 2
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-8)


def test_constant_features_have_finite_distances():
    root = inverse_root(torch.zeros(5, 3, dtype=torch.float64), 1e-6)
    assert root.isfinite().all()


@pytest.mark.parametrize("rows", [8, 300])
def test_the_shrunk_covariance_is_that_of_scikit_learn(rows):
    residuals = within_class_residuals(classifier_outputs().fit)[:rows]
    covariance, shrinkage = ledoit_wolf(residuals.numpy(), assume_centered=True)
    assert shrinkage > 0
    root = shrunk_inverse_root(residuals).numpy()
    np.testing.assert_allclose(root @ covariance @ root, np.eye(12), atol=1e-4)
