"""Squared distances between coordinates of groups are the costs of differences."""

import itertools

import pytest
import torch

from ebmood.models.mismatch import MismatchCosts

GROUPS = [3, 1, 2]


def every_row() -> torch.Tensor:
    """Return all combinations of groups, with unseen levels."""
    return torch.tensor(list(itertools.product(*(range(count + 1) for count in GROUPS))))


@pytest.mark.parametrize(("cost", "unseen_cost"), [(1.0, 2.0), (0.3, 5.0), (4.0, 2.0)])
def test_squared_distances_are_the_sums_of_the_costs_of_all_columns(cost, unseen_cost):
    def cost_of(a: int, b: int, count: int) -> float:
        if a == b:
            return 0.0
        return unseen_cost if count in (a, b) else cost

    rows = every_row()
    coordinates = MismatchCosts(GROUPS, cost, unseen_cost)(rows)
    assert coordinates.dtype == torch.float64
    expected = [
        [sum(map(cost_of, a, b, GROUPS)) for b in rows.tolist()] for a in rows.tolist()
    ]  # each row with each row
    squared = (coordinates[:, None] - coordinates[None]).square().sum(2)
    torch.testing.assert_close(squared, torch.tensor(expected, dtype=torch.float64))


def test_a_table_without_groups_has_no_coordinates():
    coordinates = MismatchCosts([], 1.0, 2.0)(torch.zeros(5, 0, dtype=torch.int64))
    assert coordinates.shape == (5, 0)
    assert coordinates.dtype == torch.float64
