"""The relative Mahalanobis distance: one class gives zero, and the difference equals that of two distances."""

import numpy as np
import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.scores import FitRows, Mahalanobis, RelativeMahalanobis


def test_one_class_is_zero_everywhere():
    data = classifier_outputs()
    rows = FitRows(data.fit.outputs, torch.zeros(len(data.fit.outputs), dtype=torch.int64))
    np.testing.assert_allclose(RelativeMahalanobis().fit(rows).score_samples(data.new), 0, atol=1e-9)


def test_it_is_the_difference_of_the_distance_from_classes_and_from_all_rows():
    data = classifier_outputs()
    together = FitRows(data.fit.outputs, torch.zeros(len(data.fit.outputs), dtype=torch.int64))
    of_classes = Mahalanobis().fit(data.fit).score_samples(data.new)
    of_all = Mahalanobis().fit(together).score_samples(data.new)
    scores = RelativeMahalanobis().fit(data.fit).score_samples(data.new)
    np.testing.assert_allclose(scores, of_classes - of_all, rtol=1e-9)
