"""The renderings of a table."""

import csv
import io
import re

import numpy as np
import pytest
from helpers.table_rows import TABLE

from ebmood.results.tables.table import Column, Estimate, Spread, Table


def test_csv_has_full_precision():
    rows = list(csv.DictReader(io.StringIO(TABLE.csv())))
    assert list(rows[0]) == [
        "method", "score_mean", "score_sd", "over_percent", "over_low", "over_high", "poster",
    ]  # fmt: skip
    assert float(rows[0]["score_mean"]) == 1 / 3
    assert float(rows[0]["over_high"]) == 1 / 7
    assert float(rows[0]["poster"]) == -4.3
    assert rows[1]["method"] == 'a|b, "c"\nd'
    assert {rows[1][key] for key in list(rows[1])[1:]} == {""}


def test_markdown_has_one_line_per_row():
    lines = TABLE.markdown().splitlines()
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[:4]]
    assert all(len(row) == 4 for row in cells)
    assert cells[2][1:] == [" 0.333 ± 0.100 ", " -5.5 [-9.0, +0.14] ", " -4.30 "]
    assert cells[3] == [' a\\|b, "c" d ', " failed ", " failed ", " – "]
    assert lines[-1] == "A note."


def test_a_row_of_the_wrong_length_raises():
    with pytest.raises(ValueError, match="2 cells for 1 columns"):
        Table("made", "", (Column("a", "a"),), (("x", "y"),))


def test_values_of_seeds_are_shown_if_they_differ_by_more_than_0_2():
    column = Column("auroc", "AUROC", "spread")
    assert column.text(Spread.of_metric(np.array([0.25, 0.75]))) == "0.500 (0.25 0.75)"
    assert column.text(Spread.of_metric(np.array([0.5, 0.6]))) == "0.550 ± 0.071"
    assert column.csv_values(Spread.of_metric(np.array([0.25, 0.75])))[0] == "0.5"
    assert Spread.of_metric(np.array([])) is None


def test_long_tables_are_folded_in_reports():
    column = (Column("a", "a"),)
    assert not Table("t", "T", column, (("x",),) * 20).is_long
    assert Table("t", "T", column, (("x",),) * 21).is_long


def test_spread():
    assert Spread.of(np.array([1.0, 3.0])) == Spread(2.0, pytest.approx(np.sqrt(2)))
    assert Spread.of(np.array([1.0])) == Spread(1.0, None)
    assert Spread.of(np.array([])) is None


def test_extreme_numbers_have_powers_of_ten():
    column = Column("gap", "gap", "estimate", digits=2, signed=True)
    assert column.text(Estimate(1.87e34, -2.5e5, 99_999.0)) == "+1.9e+34 [-2.5e+05, +99999.00]"
