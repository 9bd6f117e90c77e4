import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from ebmood.core.metrics import separation

SCORES = arrays(np.float64, st.integers(1, 40), elements=st.integers(-20, 20).map(float))


def test_agrees_with_scikit_learn_on_fixed_arrays():
    generator = np.random.default_rng(0)
    inside, outside = generator.normal(1, 1, 300), generator.normal(0, 1, 200)
    labels, scores = np.r_[np.ones(300), np.zeros(200)], np.r_[inside, outside]
    found = separation(inside, outside)
    assert found.aupr_id == pytest.approx(average_precision_score(labels, scores))
    assert found.aupr_ood == pytest.approx(average_precision_score(1 - labels, -scores))
    assert found.auroc == pytest.approx(roc_auc_score(labels, scores))
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert found.fpr95 == pytest.approx(false[np.argmax(true >= 0.95)])


def test_by_hand():
    """Ranked from the top: in, in, out, in. AP(ID) = (1 + 1 + 3/4)/3; from the bottom: AP(OOD) = 1/2."""
    found = separation(np.array([4.0, 3.0, 1.0]), np.array([2.0]))
    assert found.aupr_id == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found.aupr_ood == pytest.approx(1 / 2)
    assert found.auroc == pytest.approx(2 / 3)
    assert found.fpr95 == 1.0


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES, st.floats(-1e6, 1e6).map(round))
def test_a_constant_changes_nothing(inside, outside, constant):
    assert separation(inside, outside) == separation(inside + constant, outside + constant)


@settings(max_examples=40, deadline=None)
@given(SCORES, SCORES)
def test_polarities_are_one_metric_seen_from_two_sides(inside, outside):
    assert separation(inside, outside).aupr_ood == pytest.approx(separation(-outside, -inside).aupr_id)
    assert separation(inside, outside).auroc == pytest.approx(separation(-outside, -inside).auroc)


def test_refuses_what_is_no_score():
    with pytest.raises(ValueError, match="1 of 3 scores are not finite"):
        separation(np.array([1.0, np.nan]), np.array([0.0]))
    with pytest.raises(ValueError, match="at least one"):
        separation(np.array([]), np.array([0.0]))
