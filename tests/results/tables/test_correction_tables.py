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


def test_variants_of_a_sweep_are_compared_at_equal_settings():
    records = [
        record
        for x, factors in ((1, {"paper": 1, "corrected": 0.9}), (2, {"corrected": 1.2, "paper": 0.6}))
        for variant, factor in factors.items()
        for record in seeds(5, "ssm", scaled(factor), variant=variant, settings={"recipe": {"x": x}})
    ]
    rows = rows_of(variants_table(gather(records)), positive="ID", sets="natural")
    changes = {row["method"]: row["change"].percent for row in rows}
    assert changes == {"SSM, x=1": pytest.approx(-10), "SSM, x=2": pytest.approx(100)}
    assert {row["marks"] for row in rows} == {""}


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
