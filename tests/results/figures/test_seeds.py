import re

from helpers.records import made_record, seeds

from ebmood.results.arms import gather
from ebmood.results.figures.seeds import seed_strips


def test_every_arm_has_a_strip_and_unstable_ones_are_named(tmp_path):
    arms = gather([*seeds(3, "ssm", [0.9, 0.2, 0.8]), *seeds(3, "radial", 0.9)])
    [drawing] = seed_strips(arms, "segment", tmp_path)
    assert drawing.name == "seeds-segment"
    assert drawing.title == "Scores on segment, seed by seed"
    text = re.findall("<!-- (.*?) -->", (tmp_path / "seeds-segment.svg").read_text())
    assert {"SSM, corrected (unstable)", "Radial flow", "natural OOD sets", "unstable"} <= set(text)


def test_data_without_natural_sets_have_one_panel(tmp_path):
    arms = gather([made_record("knn", 0, {"uniform": 0.9})])
    assert len(list(seed_strips(arms, "table", tmp_path))) == 1
    text = re.findall("<!-- (.*?) -->", (tmp_path / "seeds-table.svg").read_text())
    assert "non-natural OOD sets" in text
    assert "natural OOD sets" not in text


def test_many_arms_have_several_figures(tmp_path):
    arms = gather([made_record("ssm", gamma=float(gamma)) for gamma in range(1, 50)])
    assert [drawing.name for drawing in seed_strips(arms, "x", tmp_path)] == ["seeds-x", "seeds-x-2"]
