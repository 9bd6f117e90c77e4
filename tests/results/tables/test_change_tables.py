import pytest
from helpers.image_records import IMAGE_BASE, SMALL, image_seeds, image_study
from helpers.records import failed_record, made_record, made_result, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.change_tables import bottleneck_table, embeddings_table, supervision_table

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def test_supervision_has_both_polarities_and_the_posters_numbers():
    def results(natural, other):
        return [made_result("sky", *natural), made_result("uniform", *other)]

    none = [made_record("ssm", s, results=results((0.5, 0.4), (0.8, 0.6))) for s in range(5)]
    labelled = [made_record("ssm", s, results=results((0.6, 0.5), (0.6, 0.54)), gamma=1.0) for s in range(5)]
    table = supervision_table(gather([*none, *labelled]))
    [id_row], [ood_row] = rows_of(table, positive="ID"), rows_of(table, positive="OOD")
    assert id_row["natural"].percent == pytest.approx(20)
    assert id_row["nonnatural"].percent == pytest.approx(-25)
    assert ood_row["natural"].percent == pytest.approx(25)
    assert ood_row["nonnatural"].percent == pytest.approx(-10)
    assert (id_row["natural_poster"], id_row["nonnatural_poster"]) == (25.89, -21.94)
    assert (id_row["natural_verdict"], id_row["nonnatural_verdict"]) == ("supported", "supported")


def test_the_posters_number_is_only_shown_for_its_weight():
    records = [*seeds(5, "ssm", BASE), *seeds(5, "ssm", BASE, gamma=100.0)]
    [row] = rows_of(supervision_table(gather(records)), positive="ID", gamma="100")
    assert row["natural_poster"] is None
    assert row["natural_verdict"] is None


def test_shortened_runs_are_not_compared_with_full_ones():
    records = [*seeds(5, "cd", gamma=1.0, variant="corrected", shortened=True), *seeds(5, "cd")]
    rows = rows_of(supervision_table(gather(records)), positive="ID", gamma="1")
    assert [row["natural"].reason for row in rows] == ["not run: no run without labels of the same length"]


def test_embeddings_have_the_posters_numbers():
    table = embeddings_table(gather(image_study()))
    assert len(table.rows) == 2
    [row] = rows_of(table, positive="ID")
    assert row["method"] == "CD on embeddings"
    assert row["natural"].percent == pytest.approx(50)
    assert row["nonnatural"].percent == pytest.approx(-10)
    assert (row["natural_poster"], row["nonnatural_poster"]) == (95.79, -13.52)
    assert (row["natural_verdict"], row["nonnatural_verdict"]) == ("supported", "supported")
    assert row["pairs"] == 5
    assert "WRN-28-10" in table.notes[0]


def test_each_bottleneck_has_its_own_row_and_the_same_number():
    table = bottleneck_table(gather(image_study()))
    rows = {row["method"]: row for row in rows_of(table, positive="OOD")}
    assert rows["CD, bottleneck 0.1"]["natural"].percent == pytest.approx(20)
    assert rows["CD, bottleneck 0.1"]["natural_verdict"] == "supported"
    assert rows["CD, bottleneck 0.05"]["natural"].percent == pytest.approx(-20)
    assert rows["CD, bottleneck 0.05"]["natural_verdict"] == "contradicted"
    assert {row["natural_poster"] for row in rows.values()} == {67.95}


def test_missing_runs_on_images_have_a_row_only_without_labels():
    arms = gather([*image_seeds(5, "ssm"), *image_seeds(5, "ssm", gamma=1.0)])
    for table in (embeddings_table(arms), bottleneck_table(arms)):
        [row] = rows_of(table, positive="ID")
        assert row["natural_verdict"] == "not run"
        assert row["method"] == "SSM"
    assert not embeddings_table(gather(seeds(5, "ssm"))).rows


def test_a_bottleneck_is_not_the_plain_model():
    records = [*image_seeds(5, "cd", bottleneck=0.1), *image_seeds(5, "cd", gamma=1.0)]
    arms = gather([*records, *image_seeds(5, "realnvp")])
    [row] = rows_of(supervision_table(arms), positive="ID")
    assert row["natural"].reason == "not run: no run without labels of the same length"
    labelled = image_seeds(5, "cd", bottleneck=0.1, gamma=1.0)
    table = supervision_table(gather([*records, *labelled]))
    [row] = rows_of(table, positive="ID", method="CD, bottleneck 0.1")
    assert row["natural"].percent == pytest.approx(0, abs=1e-12)
    assert row["natural_poster"] is None


def test_failed_cells_are_in_the_table():
    broken = [
        failed_record("cd", seed, "loss is not finite", dataset="fmnist", family="energy", bottleneck=0.1)
        for seed in range(5)
    ]
    arms = gather([*image_seeds(5, "cd"), *broken])
    [row] = rows_of(bottleneck_table(arms), positive="ID")
    assert row["natural_verdict"] == "failed"
    assert "5 failed: loss is not finite" in row["marks"]


def test_verdicts_on_a_reduced_data_set_are_small():
    labelled = image_seeds(5, "cd", [1.3 * score for score in IMAGE_BASE], gamma=1.0, **SMALL)
    arms = gather([*image_study(**SMALL), *labelled])
    numbers = {"embeddings": 95.79, "bottleneck": 67.95, "supervision": 47.17}
    for table in (embeddings_table(arms), bottleneck_table(arms), supervision_table(arms)):
        for row in rows_of(table):
            assert row["natural_verdict"] == row["nonnatural_verdict"] == "small"
            assert row["natural_poster"] == numbers[table.name]
            assert "small" in row["marks"]
    [row] = rows_of(embeddings_table(arms), positive="ID")
    assert row["natural"].percent == pytest.approx(50)
