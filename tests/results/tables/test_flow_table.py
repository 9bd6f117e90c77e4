import pytest
from helpers.image_records import IMAGE_BASE, SMALL, image_seeds, image_study
from helpers.records import seeds
from helpers.table_rows import rows_of

from ebmood.results.arms import gather
from ebmood.results.tables.flow_table import flow_table

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def scaled(factor):
    return [factor * score for score in BASE]


def test_the_table_has_the_change_and_the_posters_number_for_a_partial_average():
    table = flow_table(gather([*seeds(5, "ssm", scaled(0.9)), *seeds(5, "radial", BASE)]))
    [row] = rows_of(table, data="segment", flow="Radial flow", positive="ID")
    assert row["all"].percent == pytest.approx(-10)
    assert row["poster"] is None
    [row] = rows_of(table, data="average (segment)", method="SSM", variant="corrected", positive="ID")
    assert row["all"].percent == pytest.approx(-10)
    assert (row["poster"], row["verdict"], row["pairs"]) == (-4.3, "supported", 5)
    assert "partial: 1 of 4 data sets" in row["marks"]
    assert not rows_of(table, flow="Spline flow")


def test_the_average_over_two_data_sets_is_the_mean_of_their_log_ratios():
    other = {"dataset": "sensorless", "dataset_digest": "e" * 16}
    records = [
        *seeds(5, "ssm", scaled(1.1)),
        *seeds(5, "radial", BASE),
        *seeds(5, "ssm", scaled(1.2), **other),
        *seeds(5, "radial", BASE, **other),
    ]
    [row] = rows_of(
        flow_table(gather(records)), data="average (segment, sensorless)", variant="corrected", positive="ID"
    )
    assert row["all"].percent == pytest.approx(100 * ((1.1 * 1.2) ** 0.5 - 1))
    assert "partial: 2 of 4 data sets" in row["marks"]


def test_other_data_are_not_in_the_average():
    records = [*seeds(5, "ssm", dataset="moons"), *seeds(5, "radial", dataset="moons")]
    assert rows_of(flow_table(gather(records)), data="moons", flow="Radial flow")
    assert not [row for row in flow_table(gather(records)).rows if str(row[0]).startswith("average")]


def test_conditions_are_not_mixed():
    across = {"duplicates": "across"}
    records = [
        *seeds(5, "ssm", scaled(0.5), **across),
        *seeds(5, "ssm", BASE),
        *seeds(5, "radial", BASE, **across),
    ]
    arms = gather(records)
    table = flow_table(arms)
    [row] = rows_of(table, data="segment (duplicates across)", flow="Radial flow", positive="ID")
    assert row["all"].percent == pytest.approx(-50)
    assert not rows_of(table, data="segment", flow="Radial flow")


def test_pixels_are_compared_with_image_flows_and_embeddings_with_flows_of_them():
    records = [
        *image_study(),
        *image_seeds(5, "radial", [1.25 * score for score in IMAGE_BASE], embedding="WRN-28-10"),
    ]
    table = flow_table(gather(records))
    [row] = rows_of(table, data="fmnist", method="CD", positive="ID")
    assert row["flow"] == "RealNVP"
    assert row["natural"].percent == pytest.approx(100)
    [row] = rows_of(table, data="fmnist", method="CD on embeddings", positive="ID")
    assert row["flow"] == "Radial flow"
    assert row["natural"].percent == pytest.approx(20)
    [row] = rows_of(table, data="average (fmnist)", method="CD", positive="ID", variant="corrected")
    assert (row["flow"], row["poster"]) == ("RealNVP", 11.9)


def test_an_average_with_a_reduced_data_set_is_small():
    whole = [*seeds(5, "cd", 0.9), *seeds(5, "radial", 0.5)]
    [row] = rows_of(
        flow_table(gather([*whole, *image_study(**SMALL)])), method="CD", variant="corrected", positive="ID",
        data="average (segment, fmnist-small)", flow="Radial flow / RealNVP",
    )  # fmt: skip
    assert row["verdict"] == "small"
    assert row["poster"] == 11.9
