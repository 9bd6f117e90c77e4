"""Records are grouped into arms."""

import json

import pytest
from helpers.image_records import image_seeds, image_study
from helpers.records import failed_record, made_record, nudged, seeds

from ebmood.results.arms import gather
from ebmood.study.records import Record


def test_duplicates_and_content_distinguish_conditions():
    arms = gather(
        [
            *seeds(2, "ssm"),
            *seeds(2, "ssm", duplicates="across"),
            *seeds(2, "ssm", dataset_digest="e" * 16),
        ]
    )
    labels = [arm.condition.label for arm in arms]
    assert labels == ["segment (content dddddd)", "segment (duplicates across)", "segment (content eeeeee)"]
    assert all(len(arm.records) == 2 for arm in arms)


def sweep(method: str, *settings: dict) -> list[Record]:
    return [record for recipe in settings for record in seeds(2, method, settings={"recipe": recipe})]


def test_recipes_with_equal_descriptions_have_names_with_the_settings_that_differ():
    sigmas = [
        {"objective": {"sigma": sigma, "kind": "dsm"}, "training": {"steps": 9}} for sigma in (3.0, 0.5)
    ]
    parameters = [{"model": {"parameters": {"n_components": n}}} for n in (10, 5)]
    arms = gather([*sweep("dsm", *sigmas), *sweep("mix", *parameters, {"model": {}}), *seeds(1, "ssm")])
    names = {"dsm, sigma=0.5", "dsm, sigma=3", "mix", "mix, n_components=5", "mix, n_components=10", "SSM"}
    assert {arm.name for arm in arms} == names
    assert [arm.distinction for arm in arms if arm.method == "dsm"] == ["sigma=0.5", "sigma=3"]
    assert [arm.sweep for arm in arms if arm.method == "ssm"] == [()]


def test_settings_with_one_name_have_their_path_in_names():
    arms = gather(
        sweep("cd", {"a": {"lr": 1, "x": 1}, "b": {"lr": 2}}, {"a": {"lr": 2, "x": 1}, "b": {"lr": 1}})
    )
    assert [arm.name for arm in arms] == ["CD, a.lr=1, b.lr=2", "CD, a.lr=2, b.lr=1"]


def test_recipes_that_differ_in_long_settings_have_names_with_a_digest():
    arms = gather(sweep("cd", {"hidden": list(range(20))}, {"hidden": list(range(30))}))
    assert len({arm.name for arm in arms}) == 2
    assert all(arm.name == f"CD #{arm.recipe[:4]}" for arm in arms)


def test_the_last_record_of_a_cell_is_used_but_a_failure_never_replaces_a_result():
    [arm] = gather([failed_record("ssm", 0), made_record("ssm", 0, 0.5), made_record("ssm", 0, 0.6)])
    assert arm.done[0].results[0].aupr_id == 0.6
    [arm] = gather([made_record("ssm", 0, 0.5), failed_record("ssm", 0)])
    assert arm.done[0].results[0].aupr_id == 0.5


def test_marks_of_an_arm():
    flawed = {"degenerate": "piecewise linear", "shortened": True, "selection": "paper"}
    records = [
        *seeds(5, "radial"),
        made_record("ssm", 0, **flawed),
        failed_record("ssm", 1, "it broke", **flawed),
    ]
    ssm = next(arm for arm in gather(records) if arm.method == "ssm")
    assert ssm.marks == ("degenerate", "shortened", "leak", "1 of 5 seeds", "1 failed: it broke")
    radial = next(arm for arm in gather(records) if arm.method == "radial")
    assert radial.marks == ()


def test_an_arm_is_unstable_if_its_seeds_differ_by_more_than_0_2_auroc_on_one_kind():
    stable = seeds(3, "cd", [0.8, 0.9, 0.99])
    natural = [{"sky": score, "uniform": 0.9} for score in (0.7, 0.95)]
    unstable = [made_record("ssm", seed, scores) for seed, scores in enumerate(natural)]
    arms = {arm.method: arm for arm in gather([*stable, *unstable])}
    assert not arms["cd"].unstable
    assert arms["ssm"].unstable
    assert "unstable" in arms["ssm"].flags


def test_records_of_version_0_1_and_new_records_of_one_recipe_are_one_arm():
    recipe = {"method": "ssm", "title": "SSM", "variant": "corrected", "training": {"steps": 5, "fast": None}}
    new = made_record("ssm", 1, settings={"recipe": recipe})
    values = json.loads(made_record("ssm", 0).model_dump_json())
    del values["title"]
    old_recipe = {"method": "ssm", "variant": "sound", "training": {"steps": 5, "compiled": None}}
    old = Record.model_validate(values | {"variant": "sound", "settings": {"recipe": old_recipe}})
    [arm] = gather([old, new])
    assert set(arm.records) == {0, 1}
    assert (arm.title, arm.label) == ("SSM", "SSM, corrected")


def test_arms_are_ordered_by_family_and_title_for_any_order_of_the_records():
    records = [made_record(method) for method in ("knn", "vera", "radial", "cd", "spline", "ssm")]
    records += [made_record("ssm", gamma=1.0)]
    names = [arm.label for arm in gather(records)]
    assert names == [
        "CD",
        "SSM, corrected",
        "SSM, corrected, γ = 1",
        "VERA, corrected",
        "Radial flow",
        "Spline flow",
        "knn",
    ]
    assert [arm.label for arm in gather(records[::-1])] == names


def test_bottlenecks_and_embeddings_are_part_of_the_name():
    arms = gather(image_study())
    names = [arm.name for arm in arms if arm.method == "cd"]
    assert names == ["CD", "CD, bottleneck 0.05", "CD, bottleneck 0.1", "CD on embeddings"]
    two = [*image_seeds(1, "cd", embedding="WRN-10-2"), *image_seeds(1, "cd", embedding="resnet18")]
    assert {arm.name for arm in gather(two)} == {
        "CD on embeddings of WRN-10-2",
        "CD on embeddings of resnet18",
    }


def test_low_level_sets_are_in_no_mean():
    plain = next(arm for arm in gather(image_study()) if arm.name == "CD")
    natural = plain.values("natural", "aupr_id")
    assert plain.values("all", "aupr_id") == pytest.approx((natural + 0.9) / 2)
    assert plain.values("non-natural", "aupr_id") == pytest.approx([0.9] * 5)


def test_nudged_twins_stand_beside_the_cells_of_their_arm():
    cells = seeds(3, "ssm", [0.5, 0.6, 0.7])
    twins = [nudged(cells[0], 0.9), nudged(cells[2], 0.68)]
    plain, [arm] = gather(cells), gather([*twins, *cells])
    assert arm.values("all", "auroc").tolist() == plain[0].values("all", "auroc").tolist()
    assert (list(arm.records), list(arm.twins)) == ([0, 1, 2], [0, 2])
    assert arm.nudged_pairs["sky"] == {0: (0.5, 0.9), 2: (0.7, 0.68)}
    assert arm.nudge_difference == pytest.approx(0.4)
    assert arm.flags == ("not repeatable",)
    [other] = gather([*cells, nudged(cells[2], 0.695)])
    assert (other.nudge_difference, other.flags) == (pytest.approx(0.005), ())
    assert plain[0].nudge_difference is None


def test_a_failed_twin_and_a_twin_without_its_cell_are_no_pairs():
    cell = made_record("ssm", 0, 0.5)
    failure = failed_record("ssm", 0, twin_of=cell.key)
    [arm] = gather([cell, failure])
    assert (arm.failures, arm.nudged_pairs, list(arm.twins)) == ("", {}, [0])
    assert gather([nudged(cell, 0.9)]) == []
