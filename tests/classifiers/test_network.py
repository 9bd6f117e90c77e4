"""Outputs of a network, and its last layer."""

import pytest
import torch
from helpers.classifier_outputs import labelled_rows, trained_classifier
from torch import nn

from ebmood.classifiers.inputs import read_batches
from ebmood.classifiers.network import RowError, head_of, prepare, run_network
from ebmood.networks import classifier_outputs

CPU = torch.device("cpu")


def test_outputs_of_batches_are_those_of_all_rows_at_once_and_progress_counts_them():
    network, (x, _) = classifier_outputs(trained_classifier()), labelled_rows(50, seed=1)
    counts: list[int] = []
    results = run_network(network, read_batches(x, 20), CPU, progress=counts.append)
    torch.testing.assert_close(results.outputs.logits.float(), trained_classifier()(x))
    torch.testing.assert_close(results.outputs.features.float(), trained_classifier().body(x))
    assert counts == [20, 40, 50]
    assert results.labels is None
    assert results.outputs.features.dtype == torch.float64
    assert not results.outputs.features.is_inference()


def test_a_row_that_is_not_finite_is_counted_over_all_batches():
    x, _ = labelled_rows(50, seed=1)
    x[33, 0] = torch.inf
    with pytest.raises(RowError) as caught:
        run_network(classifier_outputs(trained_classifier()), read_batches(x, 20), CPU)
    assert caught.value.row == 33


def test_the_head_is_the_layer_that_runs_last_and_gives_the_logits():
    network, (x, _) = classifier_outputs(trained_classifier()), labelled_rows(5, seed=1)
    head = head_of(network, x)
    assert head is not None
    torch.testing.assert_close(head(trained_classifier().body(x).double()).float(), trained_classifier()(x))
    assert head_of(classifier_outputs(trained_classifier(), "body.1"), x) is None


def test_floating_point_inputs_take_the_type_of_the_parameters_and_codes_stay():
    network = nn.Linear(2, 2).double()
    assert prepare(network, torch.ones(1, 2), CPU).dtype == torch.float64
    assert prepare(network, torch.ones(1, 2, dtype=torch.int64), CPU).dtype == torch.int64
