from pathlib import Path

import pytest
from helpers.records import failed_record, made_record, made_result, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.density_score_table import density_score_tables
from ebmood.study.records import ScoreResults, read_records

RESULTS = Path(__file__).parents[3] / "docs" / "results" / "density-scores"
SETS = ("sky", "uniform")


def score(name: str, value: float, **changes) -> ScoreResults:
    results = [made_result(each, value) for each in SETS]
    return ScoreResults.model_validate({"score": name, "status": "done", "results": results} | changes)


def failed(name: str, reason: str) -> ScoreResults:
    return ScoreResults(score=name, status="failed", reason=reason)


def flow(seed: int, log_density: float, *scores: ScoreResults):
    values = dict.fromkeys(SETS, log_density)
    return made_record("spline", seed, values, density_scores=scores)


def test_every_score_of_a_trained_model_is_a_row():
    records = [
        flow(0, 0.6, score("typicality", 0.7), score("gradient norm", 0.5)),
        flow(1, 0.7, score("typicality", 0.8), score("gradient norm", 0.6)),
        *seeds(2, "ssm"),  # without other scores
    ]
    means, per_set = density_score_tables(gather(records))
    assert [row["score"] for row in rows_of(means)] == ["log-density", "typicality", "gradient norm"]
    (row,) = rows_of(means, score="typicality")
    assert (row["natural_auroc"].mean, row["seeds"]) == (pytest.approx(0.75), 2)
    (row,) = rows_of(per_set, score="log-density")
    assert row["sky"].mean == pytest.approx(0.65)


def test_nothing_is_shown_without_scores():
    assert density_score_tables(gather(seeds(3, "spline"))) == []


def test_combinations_stand_beside_their_members():
    member = made_record("spline-member-1", 0, 0.5, family="baseline", key="m1")
    plain = made_record("spline", 0, 0.6, key="m0")
    waic = made_record("spline-waic-2", 0, 0.7, family="baseline", key="w", members=("m0", "m1"))
    waic = waic.updated(score="WAIC of 2")
    means, _ = density_score_tables(gather([plain, member, waic, made_record("radial")]))
    assert {(row["method"], row["score"]) for row in rows_of(means)} == {
        ("Spline flow", "log-density"),
        ("spline-member-1", "log-density"),
        ("spline-waic-2", "WAIC of 2"),
    }


def test_failed_scores_and_failed_cells_are_shown_with_their_reason():
    records = [
        flow(0, 0.6, score("typicality", 0.7), failed("gradient norm", "it is not finite")),
        flow(1, 0.6, failed("typicality", "out of memory"), failed("gradient norm", "it is not finite")),
        failed_record("spline", 2, "diverged", density_scores=(failed("typicality", "diverged"),)),
    ]
    means, per_set = density_score_tables(gather(records))
    for table in (means, per_set):
        (row,) = rows_of(table, score="typicality")
        assert row["seeds"] == 1
        assert "1 scores failed: out of memory" in row["marks"]
        assert "1 failed: diverged" in row["marks"]
        assert "2 of 3 seeds" in row["marks"]
        (row,) = rows_of(table, score="gradient norm")
        assert row["seeds"] == 0
        assert "2 scores failed: it is not finite" in row["marks"]
        assert "failed" in (row.get("natural_auroc"), row.get("sky"))
        assert table.markdown()


def test_a_score_is_unstable_by_itself():
    records = [flow(s, v, score("typicality", 0.5)) for s, v in enumerate([0.3, 0.9])]
    means, _ = density_score_tables(gather(records))
    marks = {row["score"]: row["marks"] for row in rows_of(means)}
    assert "unstable" in marks["log-density"]
    assert "unstable" not in marks["typicality"]


@pytest.mark.skipif(not RESULTS.exists(), reason="needs the repository")
def test_the_committed_tables_are_made_of_the_committed_records():
    records = read_records(RESULTS / "records.jsonl")
    tables = density_score_tables(gather(records, {"fmnist-small": (0, 1, 2)}))
    for table in tables:
        assert table.csv() == (RESULTS / "tables" / f"{table.name}.csv").read_text()
    keys = {record.key for record in records}
    combined = [record for record in records if record.members]
    assert len(combined) == 2 * 3  # the likelihood ratio and WAIC, for three seeds
    assert all(set(record.members) <= keys for record in combined)
