import math

import pytest
import torch

from ebmood.models import EnergyModel
from ebmood.networks import MLP
from ebmood.objectives import CD, Batch
from ebmood.samplers import SGLD


def test_the_drift_of_chains_that_only_diffuse(noise):
    """Four steps of N(0, 0.1^2) add up to N(0, 0.2^2), whose mean magnitude is 0.2 sqrt(2 / pi)."""
    settings = CD(chain=SGLD(steps=4, step_size=0.0, noise=0.1), buffer=100)
    objective = settings.build(EnergyModel(MLP(5, (8,), 1)), 1, (5,), 0)
    _, logs = objective.loss(Batch(torch.zeros(2_000, 5), None), noise)
    assert logs["drift"].item() == pytest.approx(0.2 * math.sqrt(2 / math.pi), rel=0.03)
