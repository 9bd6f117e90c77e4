import warnings

import pytest
import torch
from helpers.classifier_outputs import labelled_rows, trained_classifier
from torch import nn

from ebmood.classifiers import ClassifierDetector
from ebmood.classifiers.network_checks import warn_of_labels, warn_of_logits
from ebmood.core.errors import DataWarning


@pytest.mark.parametrize(
    ("layer", "kind"), [(nn.Softmax(1), "are probabilities"), (nn.LogSoftmax(1), "are logarithms of")]
)
def test_probabilities_in_place_of_logits_are_named(layer, kind):
    x, y = labelled_rows(200, seed=1)
    network = nn.Sequential(trained_classifier(), layer)
    with pytest.warns(DataWarning, match=kind):
        ClassifierDetector(network, random_state=0).fit(x, y)
    with pytest.warns(DataWarning, match=kind):
        warn_of_logits(layer(torch.randn(50, 4)).half())


def test_logits_are_no_probabilities():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_logits(torch.randn(50, 4))
        warn_of_logits(torch.rand(50, 4))


def test_labels_that_count_from_one_are_named():
    x, y = labelled_rows(200, seed=1)
    known = y < 3  # else the last class is no column of the logits, which is an error
    with pytest.warns(DataWarning, match="no better than chance with 4 classes.*count the columns"):
        ClassifierDetector(trained_classifier(), random_state=0).fit(x[known], y[known] + 1)


@pytest.mark.parametrize(("right", "rows", "classes"), [(5, 5, 2), (20, 25, 2), (1, 20, 1000), (80, 600, 10)])
def test_a_network_that_predicts_better_than_chance_is_not_named(right, rows, classes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_labels(right, rows, classes)
