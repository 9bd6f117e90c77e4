import math

import numpy as np
import pytest
from helpers.gaussians import gaussian_scorer

from ebmood.core.errors import InputError
from ebmood.density_scores.likelihood_ratio import LikelihoodRatioScorer, perturbed
from ebmood.density_scores.score import LOWEST
from ebmood.models import Scorer

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)


def test_the_ratio_to_a_wider_gaussian():
    ratio = LikelihoodRatioScorer(gaussian_scorer(np.zeros(3)), gaussian_scorer(np.zeros(3), sd=2.0))
    expected = 3 * math.log(2) - np.square(X).sum(1) / 2 * (1 - 1 / 4)
    np.testing.assert_allclose(ratio.score_samples(X), expected, rtol=1e-5, atol=1e-6)


def test_a_model_that_is_its_own_background_has_the_ratio_zero():
    scorer = gaussian_scorer(np.ones(3), sd=0.5)
    np.testing.assert_array_equal(LikelihoodRatioScorer(scorer, scorer).score_samples(X), 0)


def test_a_background_of_other_data_is_refused():
    with pytest.raises(InputError, match="'likelihood-ratio': its models were trained on other data"):
        LikelihoodRatioScorer(gaussian_scorer(np.zeros(3)), gaussian_scorer(np.zeros(3), trained_on="else"))


def test_an_image_at_which_a_model_overflows_is_not_in_distribution():
    class Overflowing(Scorer):
        normalised = True
        trained_on = "rows"

        def score_samples(self, x):
            return np.full(len(x), LOWEST)

    inside = gaussian_scorer(np.zeros(3))
    for pair in ((Overflowing(), Overflowing()), (inside, Overflowing()), (Overflowing(), inside)):
        assert (LikelihoodRatioScorer(*pair).score_samples(X) == LOWEST).all()


def test_bytes_are_replaced_at_the_given_rate_by_uniform_ones():
    rows = np.full((200, 1, 16, 16), 7, np.uint8)
    changed = perturbed(rows, 0.25, rows, np.random.default_rng(1))
    assert changed.dtype == np.uint8
    replaced = changed[changed != 7].astype(float)
    assert np.mean(changed != 7) == pytest.approx(0.25 * 255 / 256, abs=0.01)
    assert replaced.mean() == pytest.approx(127.5, abs=3)
    np.testing.assert_array_equal(perturbed(rows, 0.0, rows, np.random.default_rng(1)), rows)


def test_columns_of_a_table_stay_in_the_range_of_the_training_rows():
    rows = np.array([[0.0, 5.0]] * 4000, np.float32)
    like = np.array([[0.0, 5.0], [1.0, 9.0]], np.float32)
    changed = perturbed(rows, 1.0, like, np.random.default_rng(1))
    assert changed.dtype == np.float32
    np.testing.assert_allclose(changed.mean(0), [0.5, 7.0], atol=0.05)
    assert (changed >= like[0]).all()
    assert (changed <= like[1]).all()
