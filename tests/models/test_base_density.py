"""The base as a detector is the base of the modern energies."""

import numpy as np
import torch
from helpers.splits import moons_split

from ebmood.models import WhitenedMLP
from ebmood.models.base_density import BaseDensity


def test_its_scores_are_those_of_an_untrained_modern_energy():
    """Both draw the seed of k-means; one component has none."""
    split = moons_split()
    model = WhitenedMLP(components=1).build(split, 1)
    with torch.no_grad():
        expected = model.log_density(torch.as_tensor(split.test_x))
    scores = BaseDensity(components=1).fit(split.train_x).score_samples(split.test_x)
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-4, atol=1e-4)


def test_its_defaults_are_those_of_the_modern_model():
    model, detector = WhitenedMLP(), BaseDensity()
    for name in ("components", "floor", "prior", "noise"):
        assert getattr(model, name) == getattr(detector, name)
