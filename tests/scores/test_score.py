"""Outputs and rows of a fit are checked, with one line that names the row or what to give."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs

from ebmood.core.errors import InputError
from ebmood.scores import Energy, FitRows, Mahalanobis, Outputs, ViM


def with_nan(row: int) -> np.ndarray:
    values = np.zeros((5, 3))
    values[row, 1] = np.nan
    return values


@pytest.mark.parametrize(
    ("features", "logits", "message"),
    [
        (with_nan(3), np.zeros((5, 2)), "features: row 3: NaN or infinite"),
        (np.zeros((5, 2)), with_nan(4), "logits: row 4: NaN or infinite"),
        (np.zeros((5, 2)), np.zeros((4, 2)), "logits: 4 rows, but features have 5"),
        (np.zeros(5), np.zeros((5, 2)), r"features: have shape \(5,\)"),
        ([["a"]], np.zeros((1, 2)), "features: must be an array of numbers"),
    ],
)
def test_outputs_that_cannot_be_used(features, logits, message):
    with pytest.raises(InputError, match=message) as caught:
        Outputs.of_arrays(features, logits)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"shape \(2,\), but there are 3 rows"),
        ([0, 1, 2], "row 2: 2; must be from 0 to 1"),
        ([0, -1, 1], "row 1: -1"),
        ([0.5, 0, 1], "whole numbers"),
        (["a", "b", "a"], "whole numbers"),
    ],
)
def test_labels_that_cannot_be_used(labels, message):
    with pytest.raises(InputError, match=message):
        FitRows.of_arrays(np.zeros((3, 2)), np.zeros((3, 2)), labels)


def test_a_last_layer_that_does_not_give_the_logits_is_refused():
    rng = np.random.default_rng(0)
    features, weight = rng.normal(size=(6, 3)), rng.normal(size=(2, 3))
    assert FitRows.of_arrays(features, features @ weight.T, weight=weight).head is not None
    with pytest.raises(InputError, match="does not give these logits"):
        FitRows.of_arrays(features, features @ weight.T, weight=2 * weight)
    with pytest.raises(InputError, match=r"must be \(2, 3\) and \(2,\)"):
        FitRows.of_arrays(features, features @ weight.T, weight=weight.T)


def test_a_score_says_what_it_needs():
    rows = FitRows(classifier_outputs().fit.outputs)
    with pytest.raises(InputError, match="'mahalanobis' needs them"):
        Mahalanobis().fit(rows)
    with pytest.raises(InputError, match="'vim' needs the last linear layer"):
        ViM().fit(rows)
    with pytest.raises(InputError, match="at least 2"):
        FitRows.of_arrays(np.zeros((1, 2)), np.zeros((1, 2)))


def test_a_score_that_is_not_finite_names_the_row():
    data = classifier_outputs()
    new = Outputs(data.new.features, data.new.logits.clone().index_fill(0, torch.tensor([7]), torch.inf))
    with pytest.raises(InputError, match="row 7: score 'energy' is not finite"):
        Energy().fit(data.fit).score_samples(new)
