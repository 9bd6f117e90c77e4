import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from ebmood.core.metrics import separation

SCORES = arrays(np.float64, st.integers(1, 40), elements=st.integers(-20, 20).map(float))


def test_metrics_agree_with_scikit_learn():
    generator = np.random.default_rng(0)
    id_scores, ood_scores = generator.normal(1, 1, 300), generator.normal(0, 1, 200)
    labels, scores = np.r_[np.ones(300), np.zeros(200)], np.r_[id_scores, ood_scores]
    metrics = separation(id_scores, ood_scores)
    assert metrics.aupr_id == pytest.approx(average_precision_score(labels, scores))
    assert metrics.aupr_ood == pytest.approx(average_precision_score(1 - labels, -scores))
    assert metrics.auroc == pytest.approx(roc_auc_score(labels, scores))
    false_positives, true_positives, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert metrics.fpr95 == pytest.approx(false_positives[np.argmax(true_positives >= 0.95)])


def test_metrics_of_four_rows():
    """From the highest score: ID, ID, OOD, ID. AP(ID) = (1 + 1 + 3/4)/3; from the lowest: AP(OOD) = 1/2."""
    metrics = separation(np.array([4.0, 3.0, 1.0]), np.array([2.0]))
    assert metrics.aupr_id == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert metrics.aupr_ood == pytest.approx(1 / 2)
    assert metrics.auroc == pytest.approx(2 / 3)
    assert metrics.fpr95 == 1.0


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES, st.floats(-1e6, 1e6).map(round))
def test_adding_a_constant_to_all_scores_changes_nothing(id_scores, ood_scores, constant):
    assert separation(id_scores, ood_scores) == separation(id_scores + constant, ood_scores + constant)


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES)
def test_swapping_the_classes_and_negating_the_scores_swaps_the_metrics(id_scores, ood_scores):
    metrics, swapped = separation(id_scores, ood_scores), separation(-ood_scores, -id_scores)
    assert metrics.aupr_ood == pytest.approx(swapped.aupr_id)
    assert metrics.auroc == pytest.approx(swapped.auroc)


def test_missing_or_non_finite_scores_are_errors():
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        separation(np.array([1.0, np.nan]), np.array([0.0]))
    with pytest.raises(ValueError, match="at least one"):
        separation(np.array([]), np.array([0.0]))
