import numpy as np
import pytest
from helpers.records import failed_record, made_record, nudged, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.all_tables import all_tables
from ebmood.results.tables.nudge_table import nudge_table

SCORES = [0.5, 0.6, 0.8, 0.7]


def test_differences_are_those_of_pairs_and_the_deviation_is_that_of_all_seeds():
    cells = seeds(4, "ssm", SCORES)
    twins = [
        nudged(cells[1], {"sky": 0.9, "uniform": 0.6}),
        nudged(cells[3], {"sky": 0.65, "uniform": 0.705}),
    ]
    table = nudge_table(gather([*cells, *twins, *seeds(2, "radial")]))
    sky, uniform = rows_of(table)  # twins have these two sets only, and the flow has no twins
    assert (sky["set"], sky["pairs"], sky["outcome"]) == ("sky", 2, "not repeatable")
    assert (sky["auroc"].mean, sky["nudged_auroc"].mean) == (pytest.approx(0.65), pytest.approx(0.775))
    assert sky["mean_difference"] == pytest.approx((0.3 + 0.05) / 2)
    assert sky["largest_difference"] == pytest.approx(0.3)
    assert sky["sd"] == pytest.approx(np.std(SCORES, ddof=1))
    assert (uniform["outcome"], uniform["largest_difference"]) == ("repeatable", pytest.approx(0.005))


def test_one_seed_has_no_deviation_and_failed_twins_are_marked():
    cells = [made_record("vera", 0, 0.5), made_record("cd", 0, 0.5)]
    table = nudge_table(gather([*cells, nudged(cells[0], 0.5), failed_record("cd", 0, twin_of=cells[1].key)]))
    assert {row["sd"] for row in rows_of(table, method="VERA")} == {None}
    [row] = rows_of(table, method="CD")
    assert (row["auroc"], row["nudged_auroc"], row["pairs"], row["marks"]) == (
        "failed",
        "failed",
        0,
        "1 twins failed",
    )
    assert "repeatable" in table.markdown()
    assert table.csv().count("\n") == 1 + len(table.rows)


def test_twins_of_other_versions_are_marked():
    cell = made_record("vera", 0, 0.5)
    marks = {
        row["marks"]
        for twin in (nudged(cell, 0.5), nudged(cell, 0.5, versions={"torch": "9"}))
        for row in rows_of(nudge_table(gather([cell, twin])))
    }
    assert marks == {"", "other versions"}


def test_the_table_exists_only_with_twins_and_no_other_table_has_their_numbers():
    cells = [*seeds(5, "ssm", 0.8, gamma=1.0), *seeds(5, "ssm", 0.7), *seeds(5, "radial", 0.9)]
    twins = [nudged(cell, cell.results[0].auroc + 0.005) for cell in cells]  # repeatable: no mark elsewhere
    plain = {table.name: table.markdown() for table in all_tables(cells)}
    both = {table.name: table.markdown() for table in all_tables([*cells, *twins])}
    assert both.pop("nudge")
    assert both == plain
