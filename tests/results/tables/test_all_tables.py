from helpers.image_records import IMAGE_BASE, SMALL, image_seeds, image_study
from helpers.records import failed_record, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.all_tables import all_tables

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def test_tables_of_an_empty_study_can_be_rendered():
    for table in all_tables([]):
        assert table.markdown()


def test_failed_and_missing_cells_are_in_every_table():
    broken = [failed_record("ssm", seed, "loss is not finite", gamma=1.0) for seed in range(5)]
    incomplete = [*seeds(3, "ssm", gamma=0.01), failed_record("ssm", 3, "out of memory", gamma=0.01)]
    tables = all_tables([*seeds(5, "ssm", BASE), *seeds(5, "radial", BASE), *broken, *incomplete])
    for table in tables:
        assert "failed: loss is not finite" in table.markdown(), table.name
        assert "failed: loss is not finite" in table.csv(), table.name
    by_name = {table.name: table for table in tables}
    assert "3 of 5 seeds" in by_name["overview"].markdown()
    assert "1 failed: out of memory" in by_name["overview"].markdown()
    [row] = rows_of(by_name["overview"], gamma="1")
    assert (row["natural_aupr_id"], row["seeds"]) == ("failed", 0)
    [row] = rows_of(by_name["ssm"], positive="ID", claim="raised by supervision on natural sets")
    assert row["corrected_verdict"] == "failed"
    assert row["paper_verdict"] == "not run"


def test_unstable_arms_are_marked_in_every_table():
    unstable = seeds(5, "ssm", [0.9, 0.3, 0.8, 0.4, 0.9])
    labelled = seeds(5, "ssm", [0.9, 0.3, 0.8, 0.4, 0.9], gamma=1.0)
    strong = seeds(5, "ssm", [0.9, 0.3, 0.8, 0.4, 0.9], gamma=10.0)
    for table in all_tables([*unstable, *labelled, *strong, *seeds(5, "radial", BASE)]):
        assert "unstable" in table.markdown(), table.name


def test_only_image_studies_have_tables_of_images():
    names = {table.name for table in all_tables(seeds(5, "ssm"))}
    assert not names & {"embeddings", "bottleneck", "gaps"}
    assert {"embeddings", "bottleneck", "gaps"} <= {table.name for table in all_tables(image_study())}


def test_a_reduced_data_set_has_no_verdict_but_small():
    labelled = image_seeds(5, "cd", [1.3 * score for score in IMAGE_BASE], gamma=1.0, **SMALL)
    tables = all_tables([*image_study(**SMALL), *labelled])
    cells = {cell for table in tables for row in table.texts() for cell in row}
    assert not cells & {"supported", "contradicted", "undecided", "survives", "overturned"}
    assert "small" in cells
    assert gather(labelled)[0].condition.small


def test_a_study_of_other_data_has_no_tables_about_the_poster():
    mine = {"dataset": "pumps"}
    plain = seeds(5, "ssm", BASE, **mine)
    about = {"claims", "supervision", "variants", "ssm"}
    assert not {table.name for table in all_tables(plain)} & about
    assert about <= {table.name for table in all_tables(seeds(5, "ssm", BASE))}

    pairs = [*seeds(5, "ssm", BASE, gamma=1.0, **mine), *seeds(5, "ssm", BASE, variant="paper", **mine)]
    tables = {table.name: table for table in all_tables([*plain, *pairs, *seeds(5, "cd", BASE, **mine)])}
    assert tables.keys() & about == {"supervision", "variants"}
    assert {row["method"] for row in rows_of(tables["supervision"])} == {"SSM"}
