"""The standardisation of spline flows."""

from dataclasses import replace

import torch
from helpers.splits import moons_split

from ebmood.models import Spline


def test_rows_are_standardised_by_the_training_rows():
    split = moons_split()
    flow = Spline().build(split, 1)
    z = (torch.as_tensor(split.train_x) - flow.location) / flow.scale
    torch.testing.assert_close(z.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(z.std(0), torch.ones(2))


def test_densities_are_finite_with_a_constant_column():
    split = moons_split()
    x = split.train_x.copy()
    x[:, 1] = 0
    flow = Spline().build(replace(split, train_x=x), 1)
    assert flow.log_density(torch.as_tensor(x)).isfinite().all()
