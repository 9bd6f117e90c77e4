"""Split the columns of a table into numbers, groups of categories and gaps, and values that the training rows rule out.

A row is float64. A category is the number of its level, and a missing value of any column is NaN.

Two kinds of values are ruled out: a gap in a column without gaps, and an unseen level in a *closed* column, in which
every level of the training rows occurs at least twice. The estimate of the probability of an unseen level is the
fraction of rows whose level occurs once (Good 1953, "The Population Frequencies of Species"), which is zero there.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from ebmood.core.settings import Settings

MIN_LEVEL_ROWS = 5
"""Levels of a category with fewer training rows are pooled into one group."""

UNSEEN = -1
"""Group of levels that no training row has."""


class Layout(Settings):
    """What the columns of a table hold.

    Attributes:
        columns: number of columns D.
        categories: for each category column the group of each level; levels of one group do not differ. The group of
            levels that no training row has is -1.
        gaps: columns in which training rows have missing values.
        closed: category columns in which no level occurs in a single training row.
    """

    columns: int = Field(ge=1)
    categories: dict[int, tuple[int, ...]] = {}
    gaps: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        """The columns of numbers."""
        return tuple(column for column in range(self.columns) if column not in self.categories)

    @property
    def groups(self) -> tuple[int, ...]:
        """The number of groups of every category column and of every column of numbers with gaps, in this order."""
        categories = tuple(self.seen_groups(column) for column in self.categories)
        return categories + (2,) * len(self.number_gaps)

    def seen_groups(self, column: int) -> int:
        """Return the number of groups of a category column that training rows have; missing values are the last one."""
        return max(self.categories[column], default=UNSEEN) + 1 + (column in self.gaps)

    @property
    def number_gaps(self) -> tuple[int, ...]:
        """The columns of numbers in which training rows have missing values."""
        return tuple(column for column in self.gaps if column not in self.categories)


def fit_layout(x: NDArray[np.float64], levels: Mapping[int, int], earlier: Layout | None = None) -> Layout:
    """Return the layout of training rows.

    Args:
        x: `(N, D)`.
        levels: number of levels of each category column.
        earlier: the layout of earlier training rows, of which x contains a part. Levels and gaps that they had stay
            known, and levels that were frequent stay frequent. A column with several rare levels is then not closed.
    """
    categories, closed = {}, []
    for column, count in sorted(levels.items()):
        present = x[:, column][~np.isnan(x[:, column])]
        rows = np.bincount(present.astype(np.int64), minlength=count)
        if earlier is not None:
            rows = np.maximum(rows, _earlier_rows(earlier.categories[column], count))
        frequent = np.flatnonzero(rows >= MIN_LEVEL_ROWS)
        groups = np.where(rows > 0, len(frequent), UNSEEN)
        groups[frequent] = np.arange(len(frequent))
        categories[column] = tuple(groups.tolist())
        if not (rows == 1).any():
            closed.append(column)
    gaps = {*np.flatnonzero(np.isnan(x).any(axis=0)).tolist(), *(earlier.gaps if earlier else ())}
    return Layout(columns=x.shape[1], categories=categories, gaps=tuple(sorted(gaps)), closed=tuple(closed))


def _earlier_rows(groups: tuple[int, ...], levels: int) -> NDArray[np.int64]:
    """Return how many earlier rows each level has at least, as far as its group tells."""
    numbers = np.array(groups + (UNSEEN,) * (levels - len(groups)))
    in_one_group = np.bincount(numbers[numbers >= 0], minlength=1)
    # The last group holds all rare levels. It may hold one only, which then counts as frequent.
    is_rare = (numbers == numbers.max()) & (in_one_group[numbers.max()] > 1) if numbers.max() >= 0 else False
    return np.where(numbers == UNSEEN, 0, np.where(is_rare, 1, MIN_LEVEL_ROWS))


def leave_out_cells(
    x: NDArray[np.float64], layout: Layout
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return training rows as they would look to a fit without the row.

    The level of a category that only one row has becomes an unseen level for this row. Without other such levels, the
    column would be closed. A gap in a column without other gaps becomes a new gap.

    Returns:
        `(N, D)` rows in which such levels have the number of an unknown level, and for each row `(N,)` how many of its
        values the other rows rule out.
    """
    x, ruled_out = x.copy(), np.zeros(len(x))
    for column, groups in layout.categories.items():
        present = ~np.isnan(x[:, column])
        codes = x[present, column].astype(np.int64)
        alone = np.bincount(codes, minlength=len(groups)) == 1
        rows = np.flatnonzero(present)[alone[codes]]
        x[rows, column] = len(groups)
        if len(rows) == 1:
            ruled_out[rows] += 1
    for column in layout.gaps:
        gaps = np.flatnonzero(np.isnan(x[:, column]))
        if len(gaps) == 1:
            ruled_out[gaps] += 1
    return x, ruled_out


class Columns(nn.Module):
    """Split rows by the layout of their table.

    Args:
        layout: the layout.

    Attributes:
        fills: `(P,)` medians of the columns of numbers, which replace gaps. A gap also costs a difference of groups.
    """

    fills: Tensor

    def __init__(self, layout: Layout):
        super().__init__()
        self.layout = layout
        self.register_buffer("fills", torch.zeros(len(layout.numbers), dtype=torch.float64))

    def fit(self, x: NDArray[np.float64]) -> None:
        """Set the medians. The median of a column without values is 0."""
        numbers = x[:, list(self.layout.numbers)]
        if numbers.size:
            empty = np.isnan(numbers).all(axis=0)
            self.fills.copy_(torch.from_numpy(np.nanmedian(np.where(empty, 0.0, numbers), axis=0)))

    def numbers(self, x: Tensor) -> Tensor:
        """Return the columns of numbers without gaps: `(N, D) -> (N, P)`."""
        numbers = x if not self.layout.categories else x[:, list(self.layout.numbers)]
        return torch.where(numbers.isnan(), self.fills, numbers)

    def groups(self, x: Tensor) -> Tensor:
        """Return the group numbers of all category columns and of columns with gaps: `(N, D) -> (N, J)`."""
        columns = []
        for column, groups in self.layout.categories.items():
            unseen = self.layout.seen_groups(column)
            table = torch.tensor([unseen if group == UNSEEN else group for group in (*groups, UNSEEN)])
            table = table.to(x.device)
            codes, count = x[:, column], len(groups)
            known = (codes >= 0) & (codes < count) & (codes == codes.floor())
            group = table[torch.where(known, codes, float(count)).to(torch.int64)]
            if column in self.layout.gaps:
                group = torch.where(codes.isnan(), unseen - 1, group)
            columns.append(group)
        columns += [x[:, column].isnan().to(torch.int64) for column in self.layout.number_gaps]
        return torch.stack(columns, dim=1) if columns else x.new_zeros((x.shape[0], 0), dtype=torch.int64)

    def ruled_out(self, x: Tensor) -> Tensor:
        """Return how many values of each row the training rows rule out: `(N, D) -> (N,)`."""
        complete = torch.ones(self.layout.columns, dtype=torch.bool, device=x.device)
        complete[list(self.layout.gaps)] = False
        count = (x.isnan() & complete).sum(1)
        if self.layout.closed:
            groups = self.groups(x)
            for position, column in enumerate(self.layout.categories):
                if column in self.layout.closed:
                    is_unseen = groups[:, position] == self.layout.seen_groups(column)
                    count = count + (is_unseen & ~x[:, column].isnan())
        return count.to(torch.float64)
