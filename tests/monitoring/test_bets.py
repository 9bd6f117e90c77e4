import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta

from ebmood.monitoring.bets import BETS, log_bets


@pytest.mark.parametrize("k", range(0, len(BETS), 3))
def test_the_expected_factor_over_uniform_p_values_is_one(k):
    integral, _ = quad(lambda p: np.exp(log_bets(np.array(p))[k]), 0, 1, limit=200)
    assert integral == pytest.approx(1, abs=1e-5)


def test_bets_are_the_densities_of_beta_distributions():
    p = np.linspace(0.001, 0.999, 50)
    expected = np.stack([beta.logpdf(p, a, b) for a, b in BETS], axis=-1)
    np.testing.assert_allclose(log_bets(p), expected, atol=1e-9)


def test_every_bet_has_its_mirror_image():
    p = np.random.default_rng(0).uniform(size=20)
    assert np.allclose(np.sort(log_bets(p), axis=1), np.sort(log_bets(1 - p), axis=1))


def test_bets_are_finite_at_both_ends():
    assert np.isfinite(log_bets(np.array([0.0, 1.0]))).all()
