"""What all scores promise."""

import numpy as np
import pytest
import torch
from helpers.classifier_outputs import classifier_outputs, other_rows, outputs_of, trained_classifier

from ebmood.core.errors import InputError
from ebmood.scores import (
    SCORES,
    FitRows,
    FittedScore,
    JointEnergy,
    Outputs,
    Score,
    score_by_name,
)

every_score = pytest.mark.parametrize("score", SCORES, ids=lambda score: score.kind)


def permuted(rows: FitRows) -> FitRows:
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(rows.outputs)))
    assert rows.labels is not None
    return FitRows(rows.outputs.take(order), rows.labels[order], rows.head)


def collapsed_features(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features around 3 units along one of four axes, and their labels: neural collapse."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    return np.abs(3 * np.repeat(np.eye(4), 16, axis=1)[labels] + 0.2 * rng.normal(size=(count, 64))), labels


@every_score
def test_scores_are_finite_and_lower_for_small_features_in_all_directions(score: Score):
    head = np.repeat(np.eye(4), 16, axis=1)
    features, labels = collapsed_features(400, seed=0)
    fitted = score.fit(FitRows.of_arrays(features, features @ head.T, labels, head))
    new = collapsed_features(100, seed=1)[0]
    other = 0.5 * np.abs(np.random.default_rng(2).normal(size=(100, 64)))
    of_new = fitted.score_samples(Outputs.of_arrays(new, new @ head.T))
    of_other = fitted.score_samples(Outputs.of_arrays(other, other @ head.T))
    assert of_new.shape == (100,)
    assert of_new.dtype == np.float64
    assert np.isfinite(of_new).all()
    assert np.isfinite(of_other).all()
    assert (of_new[:, None] > of_other).mean() > 0.95


@every_score
def test_scores_of_far_rows_are_finite(score: Score):
    data = classifier_outputs()
    far = outputs_of(trained_classifier(), 1e6 * other_rows(20, seed=5))
    assert np.isfinite(score.fit(data.fit).score_samples(far)).all()


@every_score
def test_each_row_is_scored_on_its_own(score: Score):
    data = classifier_outputs()
    fitted = score.fit(data.fit)
    expected = fitted.score_samples(data.new)
    np.testing.assert_allclose(
        [fitted.score_samples(data.new.take(slice(k, k + 1)))[0] for k in range(5)],
        expected[:5],
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        fitted.score_samples(data.new.take(slice(None, None)))[::-1], expected[::-1], rtol=1e-5
    )
    assert fitted.score_samples(data.new.take(slice(0, 0))).shape == (0,)


@every_score
def test_the_order_of_the_rows_of_the_fit_does_not_matter(score: Score):
    data = classifier_outputs()
    if isinstance(score, JointEnergy):  # other spaces take a random half of the rows
        score = JointEnergy(spaces=("normalised",))
    np.testing.assert_allclose(
        score.fit(permuted(data.fit)).score_samples(data.new),
        score.fit(data.fit).score_samples(data.new),
        rtol=1e-5,
        atol=1e-5,
    )


@every_score
def test_settings_and_tensors_restore_a_fitted_score(score: Score):
    data = classifier_outputs()
    fitted = score.fit(data.fit)
    settings = type(score).model_validate_json(score.model_dump_json())
    restored = FittedScore(settings, {name: tensor.clone() for name, tensor in fitted.named_buffers()})
    assert np.array_equal(restored.score_samples(data.new), fitted.score_samples(data.new))


@every_score
def test_fit_does_not_change_its_rows(score: Score):
    data = classifier_outputs()
    before = data.fit.outputs.features.clone(), data.fit.outputs.logits.clone()
    score.fit(data.fit).score_samples(data.fit.outputs)
    assert torch.equal(before[0], data.fit.outputs.features)
    assert torch.equal(before[1], data.fit.outputs.logits)


@every_score
def test_a_row_of_zeros_and_two_rows_in_a_fit_are_finite(score: Score):
    data = classifier_outputs()
    assert data.fit.labels is not None
    rows = FitRows(data.fit.outputs.take(slice(0, 2)), data.fit.labels[:2], data.fit.head)
    zeros = Outputs(torch.zeros(1, 12, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64))
    assert np.isfinite(score.fit(rows).score_samples(zeros)).all()


def test_names_are_unique_and_find_their_score():
    assert len({score.kind for score in SCORES}) == len(SCORES)
    assert all(score_by_name(score.kind) == score for score in SCORES)
    with pytest.raises(InputError, match="the scores are max-softmax, "):
        score_by_name("soft-max")
