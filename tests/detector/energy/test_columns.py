"""Columns of numbers, categories and gaps, and the groups of their values."""

import numpy as np
import pytest
import torch

from ebmood.detector.energy.columns import MIN_LEVEL_ROWS, Columns, Layout, fit_layout, leave_out_cells

NAN = np.nan


def table() -> np.ndarray:
    """Return a number, a category with gaps, a number with gaps, and a category.

    The first category has two frequent levels, of 20 and 10 rows, and two rare ones, of 4 and 1 rows. The second one
    has three frequent levels.
    """
    x = np.zeros((40, 4))
    x[:, 0] = np.arange(40.0)
    x[:, 1] = np.repeat([0, 1, 2, 3, NAN], [20, 10, 4, 1, 5])
    x[:, 2] = np.where(np.arange(40) < 4, NAN, np.arange(40.0))
    x[:, 3] = np.arange(40) % 3
    return x


def fitted(x: np.ndarray, levels: dict[int, int]) -> Columns:
    columns = Columns(fit_layout(x, levels))
    columns.fit(x)
    return columns


def groups(columns: Columns, *rows: list[float]) -> list[list[int]]:
    return columns.groups(torch.tensor(rows, dtype=torch.float64)).tolist()


def test_the_layout_says_what_the_columns_hold():
    layout = fit_layout(table(), {3: 3, 1: 4})
    assert layout.columns == 4
    assert layout.numbers == (0, 2)
    assert layout.gaps == (1, 2)
    assert layout.number_gaps == (2,)
    assert layout.groups == (4, 3, 2)  # two levels, rare ones and gaps; three levels; present and missing
    assert Layout.model_validate_json(layout.model_dump_json()) == layout


def test_a_table_of_complete_numbers_has_no_groups():
    x = np.arange(6.0).reshape(3, 2)
    columns = fitted(x, {})
    assert columns.layout == Layout(columns=2)
    assert columns.groups(torch.from_numpy(x)).shape == (3, 0)
    np.testing.assert_array_equal(columns.numbers(torch.from_numpy(x)).numpy(), x)


@pytest.mark.parametrize("rows", [MIN_LEVEL_ROWS - 1, MIN_LEVEL_ROWS])
def test_levels_with_few_rows_are_one_group(rows):
    x = np.repeat([0.0, 1.0, 2.0], [30, rows, rows])[:, None]
    (frequent,), (first,), (second,) = groups(fitted(x, {0: 3}), [0.0], [1.0], [2.0])
    assert frequent not in (first, second)
    assert (first == second) == (rows < MIN_LEVEL_ROWS)


def test_groups_differ_between_frequent_levels_rare_ones_gaps_and_unseen_ones():
    columns = fitted(table(), {1: 4, 3: 3})
    levels = [group[0] for group in groups(columns, *([0.0, level, 5.0, 0.0] for level in (0, 1, 2, 3)))]
    assert levels[2] == levels[3]
    (gap,) = {group[0] for group in groups(columns, [0.0, NAN, 5.0, 0.0])}
    unseen = columns.layout.groups[0]
    assert {*levels, gap} == set(range(unseen))
    for code in (4.0, 7.0, -1.0, 0.5, 1e300, -1e300):
        assert groups(columns, [0.0, code, 5.0, 0.0])[0][0] == unseen
    (numbers,) = groups(columns, [NAN, 0.0, NAN, NAN])
    assert numbers[1:] == [
        columns.layout.groups[1],
        1,
    ]  # a category without gaps at the fit, a number with gaps
    assert groups(columns, [NAN, 0.0, 5.0, 0.0])[0][2] == 0


def test_a_level_without_training_rows_is_unseen():
    """Levels are found in training and calibration rows. One that only a calibration row has is as new as any other.

    Otherwise rows with new levels would be flagged more often than calibration rows, and alpha would not hold.
    """
    x = np.repeat([0.0, 1.0], [30, 2])[:, None]
    columns = fitted(x, {0: 3})
    (frequent,), (rare,), (absent,), (unseen,) = groups(columns, [0.0], [1.0], [2.0], [3.0])
    assert len({frequent, rare, absent}) == 3
    assert absent == unseen == columns.layout.groups[0]


def test_gaps_in_numbers_become_medians_of_the_training_rows():
    columns = fitted(table(), {1: 4, 3: 3})
    numbers = columns.numbers(torch.tensor([[NAN, 0.0, NAN, 0.0], [1.0, NAN, 2.0, NAN]], dtype=torch.float64))
    assert numbers.tolist() == [[19.5, 21.5], [1.0, 2.0]]


@pytest.mark.filterwarnings("error")
def test_a_column_without_values_is_filled_with_zeros():
    x = np.array([[NAN, 1.0], [NAN, 2.0], [NAN, 4.0]])
    columns = fitted(x, {})
    assert columns.numbers(torch.from_numpy(x)).tolist() == [[0.0, 1.0], [0.0, 2.0], [0.0, 4.0]]
    category = fitted(x, {0: 0})
    assert category.numbers(torch.from_numpy(x)).tolist() == [[1.0], [2.0], [4.0]]
    assert len({tuple(group) for group in groups(category, [NAN, 1.0], [0.0, 1.0])}) == 2


def test_only_gaps_in_columns_that_were_complete_are_new():
    columns = fitted(table(), {1: 4, 3: 3})
    x = torch.tensor([[0.0] * 4, [NAN] * 4, [0.0, NAN, NAN, 0.0], [0.0, 0.0, 0.0, NAN]], dtype=torch.float64)
    assert columns.ruled_out(x).tolist() == [0, 2, 0, 1]


def test_an_unseen_level_is_ruled_out_where_every_level_occurs_twice():
    """The first category has a level of one row, the second one has not."""
    columns = fitted(table(), {1: 4, 3: 3})
    assert columns.layout.closed == (3,)
    x = torch.tensor([[0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.0, 9.0], [0.0, 9.0, 0.0, 9.0]], dtype=torch.float64)
    assert columns.ruled_out(x).tolist() == [0, 1, 1]
    assert fit_layout(table()[:, 1:2], {0: 4}).closed == ()


@pytest.mark.parametrize("counts", [[5, 5], [5, 5, 1], [5, 5, 1, 1], [5, 2]])
def test_a_row_that_is_left_out_looks_as_it_would_to_a_fit_on_the_others(counts):
    x = np.repeat(np.arange(len(counts), dtype=float), counts)[:, None]
    left_out, ruled_out = leave_out_cells(x, fit_layout(x, {0: len(counts)}))
    for row in range(len(x)):
        others = fitted(np.delete(x, row, axis=0), {0: len(counts)})
        assert others.ruled_out(torch.from_numpy(x[[row]])).tolist() == [ruled_out[row]]
        assert (groups(others, x[row].tolist())[0][0] == others.layout.seen_groups(0)) == (
            left_out[row, 0] == len(counts)
        )


def test_training_rows_never_have_new_gaps_or_unseen_levels():
    x = table()
    columns = fitted(x, {1: 4, 3: 3})
    rows = torch.from_numpy(x)
    assert (columns.ruled_out(rows) == 0).all()
    assert (columns.groups(rows) < torch.tensor(columns.layout.groups)).all()


def test_a_model_with_the_same_state_has_the_same_medians():
    columns = fitted(table(), {1: 4, 3: 3})
    copy = Columns(columns.layout)
    copy.load_state_dict(columns.state_dict())
    gaps = torch.full((1, 4), NAN, dtype=torch.float64)
    assert (copy.numbers(gaps) == columns.numbers(gaps)).all()
