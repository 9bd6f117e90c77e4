"""Columns of lists, and columns of arrays, are numbers, whatever their values."""

import numpy as np
import pyarrow as pa
import pytest

from ebmood.core.errors import InputError
from ebmood.detector.preparation import LeftOut, NumberColumn, VectorColumn
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.decide import decide
from ebmood.detector.preparation.vector_rules import decide_array_column, decide_lists

N = 60
RNG = np.random.default_rng(0)


def lists(values: np.ndarray) -> pa.Array:
    return pa.array(values.tolist())


def test_a_list_is_read_whatever_its_numbers_look_like():
    columns = [
        RNG.normal(size=N),
        np.arange(N),  # else a row counter
        RNG.permutation(N),  # else an id
        RNG.integers(0, 2, N),  # else yes and no
        np.full(N, 7.0),  # else left out as a constant
        1_700_000_000 + 3600 * np.arange(N),  # else times
    ]
    decision = decide_lists("timestamp", lists(np.column_stack(columns)), ())
    assert decision.column == VectorColumn(name="timestamp", length=6)
    assert (decision.kind, decision.treatment) == ("list", "6 numbers")
    assert decision.reason == "1 constant: [4]"
    assert decision.trend == 0


def test_positions_without_values_are_not_read():
    values = RNG.normal(size=(N, 4))
    values[:, [1, 3]] = np.nan
    decision = decide_lists("e", lists(values), ())
    assert isinstance(decision.column, VectorColumn)
    assert decision.column.features == ("e[0]", "e[2]")
    assert decision.reason == "2 without values, not read: [1], [3]"
    reading = decision.column.read(pa.array([[1.0, 2.0, 3.0, 4.0]]), ())
    assert {name: cells.tolist() for name, cells in reading.features.items()} == {"e[0]": [1], "e[2]": [3]}


def test_of_many_constant_positions_the_first_are_named():
    values = np.zeros((N, 300))
    values[:, 299] = RNG.normal(size=N)
    decision = decide_lists("e", lists(values), ())
    assert decision.reason == "299 constant: [0], [1], [2], [3], [4], ..."


@pytest.mark.parametrize(
    ("cells", "kind", "reason"),
    [
        ([[1.0], [1.0, 2.0, 3.0]], "list", "of 1 to 3 numbers, and only lists of one length are read"),
        ([["a", "b"], ["c", "d"]], "list", "of string, and only numbers are read"),
        ([[[1.0]], [[2.0]]], "list", "of list<"),
        ([[], []], "list", "of no values, and only numbers are read"),
        ([[None], [None]], "list", "of no values"),
    ],
)
def test_other_lists_are_left_out(cells, kind, reason):
    decision = decide_lists("e", pa.array(cells), ())
    assert isinstance(decision.column, LeftOut)
    assert decision.kind == kind
    assert decision.reason.startswith(reason)


@pytest.mark.parametrize("cells", [[None, None], [[], []], [[np.nan], [np.nan]]])
def test_lists_without_values_are_empty(cells):
    decision = decide_lists("e", pa.array(cells, pa.list_(pa.float64())), ())
    assert isinstance(decision.column, LeftOut)
    assert decision.kind == "empty"


def test_infinite_numbers_are_odd_cells():
    assert decide_lists("e", pa.array([[1.0, 2.0], [np.inf, 1.0]]), ()).problems == {
        1: "at [0], inf is infinite"
    }


def test_lists_are_dropped_or_read_as_numbers_but_not_as_something_else():
    cells = {"e": lists(RNG.normal(size=(N, 2)))}
    [decision] = decide(cells, Choices(numbers={"e"}))
    assert isinstance(decision.column, VectorColumn)
    for choices in (Choices(categories={"e"}), Choices(dates={"e"})):
        with pytest.raises(InputError, match="column 'e': holds lists, which are not read as"):
            decide(cells, choices)


def test_columns_of_an_array_are_numbers_unless_an_option_says_otherwise():
    columns = {
        "x0": pa.array(np.arange(N)),
        "x1": pa.array(RNG.integers(0, 2, N)),
        "x2": pa.array(np.full(N, 3.0)),
        "x3": pa.array(np.full(N, np.nan)),
        "x4": pa.array(RNG.integers(0, 3, N)),
        "x5": pa.array(RNG.random(N) < 0.5),
    }
    decisions = {
        decision.column.name: decision
        for decision in decide(columns, Choices(categories={"x4"}), are_numbers=True)
    }
    for name in ("x0", "x1", "x2", "x5"):
        assert decisions[name].column == NumberColumn(name=name)
    assert decisions["x2"].reason == "constant"
    assert isinstance(decisions["x3"].column, LeftOut)
    assert decisions["x4"].kind == "category"


def test_infinite_numbers_of_an_array_are_odd_cells():
    decision = decide_array_column("x0", pa.array([1.0, np.inf, 1.0]), ())
    assert decision.problems == {1: "inf is infinite"}
