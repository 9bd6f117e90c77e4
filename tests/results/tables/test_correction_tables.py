import pytest
from helpers.records import seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.correction_tables import outcome, ssm_table, variants_table

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def test_both_variants_are_shown_and_a_common_recipe_is_named():
    records = [
        *seeds(5, "cd", BASE),
        *seeds(5, "cd", scaled(1.1), gamma=1.0, variant="paper"),
        *seeds(5, "cd", scaled(0.9), gamma=1.0, variant="corrected"),
    ]
    table = variants_table(gather(records))
    same = rows_of(table, gamma="none", positive="ID")
    assert {row["change"] for row in same} == {"the same recipe"}
    [row] = rows_of(table, gamma="1", positive="ID", sets="natural")
    assert row["change"].percent == pytest.approx(100 * (0.9 / 1.1 - 1))


@pytest.mark.parametrize(
    ("paper", "corrected", "expected"),
    [
        ("supported", "supported", "survives"),
        ("supported", "contradicted", "overturned"),
        ("supported", "undecided", "undecided"),
        ("supported", "not run", "not run"),
        ("contradicted", "supported", "not reproduced"),
        ("undecided", "supported", "undecided"),
    ],
)
def test_outcome(paper, corrected, expected):
    assert outcome(paper, corrected) == expected


def test_the_verdict_on_ssm_is_overturned_if_only_the_corrected_recipe_is_above_the_flow():
    records = [
        *seeds(5, "ssm", scaled(0.8), variant="paper", degenerate="piecewise linear"),
        *seeds(5, "ssm", scaled(1.1), variant="corrected"),
        *seeds(5, "radial", BASE),
    ]
    [row] = rows_of(ssm_table(gather(records)), claim="below Radial flow (all sets)", positive="ID")
    assert (row["paper_verdict"], row["corrected_verdict"], row["outcome"]) == (
        "supported",
        "contradicted",
        "overturned",
    )
    assert "paper: degenerate" in row["marks"]
