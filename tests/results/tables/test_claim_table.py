from helpers.image_records import image_seeds
from helpers.records import failed_record, seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.claim_table import claim_table


def test_the_table_has_only_claims_on_data_of_the_study():
    assert not claim_table([]).rows
    assert not claim_table(gather(seeds(5, "ssm", dataset="moons"))).rows
    table = claim_table(gather([*seeds(5, "ssm"), *seeds(5, "radial")]))
    assert {row["data"] for row in rows_of(table)} == {"segment", "average (segment)"}
    assert "CIFAR" not in table.markdown()
    assert "FMNIST" not in table.markdown()


def test_claims_without_a_run_are_last():
    verdicts = [
        row["verdict_id"] for row in rows_of(claim_table(gather([*seeds(5, "ssm"), *seeds(5, "radial")])))
    ]
    assert verdicts[0] == "undecided"
    assert set(verdicts[verdicts.index("not run") :]) == {"not run"}


def test_failed_cells_are_named():
    broken = [
        failed_record("cd", seed, dataset="fmnist", family="energy", bottleneck=0.1) for seed in range(5)
    ]
    table = claim_table(gather([*image_seeds(5, "cd"), *broken]))
    assert "CD, bottleneck 0.1: 5 failed" in table.markdown()
