"""Coordinates of categories and gaps, whose squared distances are the costs of differences.

Every category column has groups of values: its frequent levels, one group of rare levels, and missing values if the
training rows have any. Two rows that differ in their group are `cost` apart. A level that no training row has is
`unseen_cost` away from every group. Numeric columns in which training rows have gaps have two groups, present and
missing. The squared Euclidean distance of two rows of coordinates is the sum of the costs over all columns.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class MismatchCosts(nn.Module):
    """Map groups of values to coordinates; see the module's docstring.

    Args:
        groups: for each column the number of its groups. Group number `groups[j]` stands for unseen levels.
        cost: squared distance between two different groups.
        unseen_cost: squared distance between an unseen level and any group, at least `cost / 2`.

    >>> costs = MismatchCosts([2], cost=1.0, unseen_cost=2.0)
    >>> torch.cdist(costs(torch.tensor([[0], [1], [2]])), costs(torch.tensor([[0]]))).square().round(decimals=6).mT
    tensor([[0., 1., 2.]], dtype=torch.float64)
    """

    def __init__(self, groups: Sequence[int], cost: float, unseen_cost: float):
        super().__init__()
        self.groups = tuple(groups)
        self.seen = math.sqrt(cost / 2)
        self.unseen = math.sqrt(unseen_cost - cost / 2)

    def forward(self, groups: Tensor) -> Tensor:
        """Return coordinates: group numbers `(N, J)` to `(N, E)`, one for each group and one for unseen levels."""
        coordinates = []
        for column, count in enumerate(self.groups):
            is_group = groups[:, column, None] == torch.arange(count + 1, device=groups.device)
            lengths = torch.full((count + 1,), self.seen, dtype=torch.float64, device=groups.device)
            lengths[count] = self.unseen
            coordinates.append(is_group * lengths)
        if not coordinates:
            return torch.zeros((groups.shape[0], 0), dtype=torch.float64, device=groups.device)
        return torch.cat(coordinates, dim=1)
