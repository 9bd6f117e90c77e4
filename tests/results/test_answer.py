from helpers.image_records import image_study
from helpers.records import made_record, seeds

from ebmood.results.answer import answer_tables
from ebmood.results.arms import gather

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def segment():
    return [*seeds(5, "vera", BASE, variant="paper"), *seeds(5, "vera", BASE), *seeds(5, "radial", BASE)]


def test_data_of_the_paper_have_one_row_per_claim_with_both_variants():
    [table] = answer_tables(gather(segment()))
    assert [column.title for column in table.columns] == [
        "claim", "poster %", "paper", "change %", "corrected", "change %",
    ]  # fmt: skip
    rows = {row[0]: row for row in table.rows}
    assert rows["VERA is above the flow"][1:3] == ("+4.3", "undecided")
    assert rows["Some EBM is below the flow"][1] == "1 of 3"
    assert len(rows) == len(table.rows)


def test_a_mark_of_one_variant_has_the_name_of_this_variant():
    records = [
        *seeds(5, "ssm", BASE, variant="paper", degenerate="piecewise linear"),
        *seeds(5, "ssm", BASE),
        *seeds(5, "radial", BASE),
    ]
    [table] = answer_tables(gather(records))
    [marks] = [row[-1] for row in table.rows if row[0] == "SSM is below the flow"]
    assert marks == "paper: degenerate"


def test_claims_that_were_not_run_are_only_counted():
    [table] = answer_tables(gather([*seeds(5, "vera", BASE), *seeds(5, "radial", BASE)]))
    assert [row[0] for row in table.rows] == ["VERA is above the flow", "Some EBM is below the flow"]
    assert table.notes == ("10 claims were not run: --full prints all tables.",)


def test_one_variant_has_one_verdict():
    [table] = answer_tables(gather([*seeds(5, "ssm", BASE), *seeds(5, "radial", BASE)]))
    assert [column.title for column in table.columns] == ["claim", "poster %", "verdict", "change %"]


def test_other_data_have_the_scores_of_the_methods():
    records = [*seeds(2, "ssm", [0.9, 0.5], dataset="moons"), *seeds(2, "knn", dataset="moons")]
    [table] = answer_tables(gather(records))
    assert [row[:2] for row in table.rows] == [("moons", "SSM, corrected"), ("moons", "knn")]
    assert table.texts()[0][2] == "0.700 (0.90 0.50)"
    assert table.rows[0][-1] == "unstable"


def test_rows_are_limited_and_general_claims_are_kept():
    arms = gather([*image_study(), made_record("knn", dataset="moons")])
    claims, scores = answer_tables(arms, 12)
    assert len(claims.rows) + len(scores.rows) == 12
    assert claims.notes == ("6 more claims, 10 claims were not run: --full prints all tables.",)
    assert any(row[0].startswith("Embeddings raise all") for row in claims.rows)
    assert sum(len(table.rows) for table in answer_tables(arms)) > 12


def test_a_study_without_records_has_no_answer():
    assert answer_tables([]) == []
