import pytest
from helpers.image_records import image_seeds
from helpers.records import failed_record, seeds, with_pictures

from ebmood.results.arms import gather
from ebmood.results.effects import (
    contrast,
    far_differences,
    flow_average,
    flow_choices,
    gamma_grids,
    partial_mark,
)


def test_flows_of_the_paper_are_the_choice_if_none_was_run():
    assert [choice.name for choice in flow_choices(gather(seeds(1, "ssm")))] == ["Radial flow"]
    [images] = flow_choices(gather(image_seeds(1, "ssm")))
    assert (images.name, images.of_poster) == ("RealNVP", True)


def test_every_flow_that_was_run_is_a_choice():
    choices = flow_choices(gather([*seeds(1, "ssm"), *seeds(1, "radial"), *seeds(1, "spline")]))
    assert [(choice.name, choice.of_poster) for choice in choices] == [
        ("Radial flow", True),
        ("Spline flow", False),
    ]


def test_an_average_needs_one_content_per_data_set():
    other = {"dataset_digest": "e" * 16}
    arms = gather(
        [*seeds(2, "ssm"), *seeds(2, "radial"), *seeds(2, "ssm", **other), *seeds(2, "radial", **other)]
    )
    effect = flow_average(arms, "ssm", "corrected", flow_choices(arms)[0])
    assert effect.aupr_id.reason.startswith("not run: the study has one data set with several contents")
    assert (partial_mark(1), partial_mark(4)) == ("partial: 1 of 4 data sets", "")


def test_a_contrast_of_several_recipes_is_marked():
    [a, b] = gather(
        [*seeds(2, "ssm", settings={"recipe": {"x": 1}}), *seeds(2, "ssm", settings={"recipe": {"x": 2}})]
    )
    [radial] = gather(seeds(2, "radial"))
    assert contrast([a, b], [radial], "natural", "not run").marks == ("one of 2 recipes: SSM, x=1",)
    assert contrast([], [], "natural", "not run: nothing").aupr_id.reason == "not run: nothing"


def sweep(gamma: float | None, *sigmas: float):
    """Records with the AUC-PR `sigma`, and half of it with labels."""
    score = [sigma / (2 if gamma else 1) for sigma in sigmas]
    return [
        record
        for sigma, value in zip(sigmas, score, strict=True)
        for record in seeds(
            2, "ssm", value, gamma=gamma, settings={"recipe": {"sigma": sigma, "gamma": gamma}}
        )
    ]


def test_a_contrast_compares_recipes_with_equal_settings():
    arms = gather([*sweep(None, 0.4, 0.8), *sweep(1.0, 0.8, 0.4)])
    labelled, unlabelled = ([arm for arm in arms if (arm.gamma is None) == none] for none in (False, True))
    effect = contrast(labelled, unlabelled[::-1], "natural", "not run")
    assert effect.aupr_id.percent == pytest.approx(-50)
    assert effect.marks == ("one of 2 recipes: SSM, sigma=0.4",)
    refused = contrast(labelled[:1], unlabelled[1:], "natural", "not run")
    assert refused.aupr_id.reason == "not run: no two recipes with the same settings"


def test_grids_contain_recipes_with_equal_settings():
    arms = gather([*sweep(None, 0.4, 0.8), *sweep(1.0, 0.4, 0.8), *sweep(2.0, 0.4, 0.8)])
    grids = [{(arm.gamma, arm.settings["sigma"]) for arm in grid} for grid in gamma_grids(arms)]
    assert grids == [{(gamma, sigma) for gamma in (None, 1.0, 2.0)} for sigma in (0.4, 0.8)]


def test_grids_have_two_weights_or_more_of_one_length():
    records = [*seeds(1, "vera"), *seeds(1, "vera", gamma=1.0), *seeds(1, "vera", gamma=10.0)]
    [grid] = gamma_grids(gather([*records, *seeds(1, "vera", gamma=5.0, shortened=True)]))
    assert [arm.gamma for arm in grid] == [None, 1.0, 10.0]
    assert not gamma_grids(gather(records[:2]))


def test_the_change_of_the_density_far_from_the_data_is_paired():
    small = [with_pictures(record, 1.0) for record in seeds(2, "ssm", gamma=0.1)]
    large = [with_pictures(record, 2.0) for record in seeds(2, "ssm", gamma=1.0)]
    a, b = gather([*small, *large])
    assert far_differences(b, a) == pytest.approx({0: -(20**1.5), 1: -(20**1.5)})
    [failed] = gather([failed_record("ssm", 0, gamma=5.0)])
    assert far_differences(failed, a) == {}
