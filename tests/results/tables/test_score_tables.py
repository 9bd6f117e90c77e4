import pytest
from helpers.image_records import image_study
from helpers.records import failed_record, made_record, made_result, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.score_tables import overview_table, score_tables


def test_scores_are_in_their_columns():
    records = [
        made_record("ssm", s, results=[made_result("sky", 0.5 + s / 10, 0.2, auroc=0.7, fpr95=0.9)])
        for s in (0, 1, 2)
    ]
    [table] = score_tables(gather(records))
    [row] = rows_of(table, ood="sky")
    means = [row[key].mean for key in ("aupr_id", "aupr_ood", "auroc", "fpr95")]
    assert means == pytest.approx([0.6, 0.2, 0.7, 0.9])
    assert row["aupr_id"].sd == pytest.approx(0.1)


def test_each_condition_has_its_own_table():
    arms = gather([*seeds(1, "ssm"), *seeds(1, "ssm", duplicates="across")])
    assert [t.name for t in score_tables(arms)] == ["scores-segment", "scores-segment-duplicates-across"]


def test_low_level_sets_are_last_and_keep_their_scores():
    [table] = score_tables(gather(image_study()))
    kinds = [row["kind"] for row in rows_of(table)]
    assert set(kinds) == {"natural", "non-natural", "low-level"}
    assert kinds[-1] == "low-level"
    assert rows_of(table, ood="edges", method="CD")[0]["aupr_id"].mean == pytest.approx(0.123)


def test_absent_sets_and_stand_ins_are_marked():
    about = {"absent": {"kmnist": "KMNIST: no files"}, "stand_ins": ("notmnist",)}
    arms = gather(image_study(**about))
    [table] = score_tables(arms)
    [row] = rows_of(table, ood="kmnist")
    assert (row["kind"], row["aupr_id"], row["auroc"]) == ("natural", "absent", "absent")
    assert row["marks"] == "absent: KMNIST: no files"
    assert {row["marks"] for row in rows_of(table, ood="notmnist")} == {"stand-in"}
    assert {row["marks"] for row in rows_of(table, ood="mnist")} == {""}
    assert "stand-ins; absent: kmnist" in overview_table(arms).markdown()


def test_seeds_that_differ_are_shown_one_by_one_and_marked_unstable():
    arms = gather([*seeds(3, "ssm", [0.95, 0.2, 0.9]), *seeds(3, "cd", [0.9, 0.95, 0.92])])
    rows = {row["method"]: row for row in rows_of(overview_table(arms))}
    assert rows["SSM"]["marks"] == "unstable"
    assert rows["SSM"]["natural_auroc"].values == (0.95, 0.2, 0.9)
    assert rows["CD"]["marks"] == ""
    assert rows["CD"]["natural_auroc"].values == ()
    assert "| 0.683 (0.95 0.20 0.90) |" in overview_table(arms).markdown()


def test_a_condition_without_results_has_rows_of_failures():
    [table] = score_tables(gather([failed_record("ssm", 0)]))
    [row] = rows_of(table)
    assert (row["method"], row["auroc"], row["seeds"]) == ("SSM", "failed", 0)
