import re

import pytest
from helpers.image_records import image_study
from helpers.records import failed_record, seeds

from ebmood.results.arms import gather
from ebmood.results.figures.forest import QUESTIONS, _limits, forest_plots

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def study():
    return [
        *seeds(5, "vera", BASE, variant="paper"),
        *seeds(5, "vera", BASE),
        *seeds(5, "vera", [0.9, 0.3, 0.8, 0.4, 0.9], gamma=1.0),
        *seeds(5, "ssm", BASE, gamma=10.0),
        *seeds(5, "ssm", BASE),
        *seeds(5, "radial", BASE),
        *seeds(5, "spline", BASE),
    ]


def rows(records, name):
    question = next(question for question in QUESTIONS if question.name == name)
    return question.rows(gather(records))


def words(path):
    return re.findall("<!-- (.*?) -->", path.read_text())


def test_one_figure_per_question_that_the_records_address(tmp_path):
    drawings = list(forest_plots(gather(study()), tmp_path))
    assert [drawing.name for drawing in drawings] == [
        "forest-flow",
        "forest-supervision",
        "forest-corrections",
    ]
    assert all(drawing.title.endswith("?") for drawing in drawings)
    text = words(tmp_path / "forest-supervision.svg")
    for word in (
        "natural OOD sets",
        "non-natural OOD sets",
        "poster",
        "segment",
        "VERA, corrected, γ = 1 (unstable)",
    ):
        assert word in text, word
    assert list(forest_plots(gather(image_study()), tmp_path))[-1].name == "forest-bottleneck"
    assert not list(forest_plots([], tmp_path))


def test_models_are_compared_with_the_flow_of_the_paper():
    flow_rows = rows(study(), "flow")
    assert {row.group for row in flow_rows} == {"segment, over Radial flow"}
    assert [row.label for row in flow_rows] == ["SSM, corrected", "VERA, paper", "VERA, corrected"]
    assert flow_rows[0].reported == (None, None, -4.3)
    other = [*seeds(5, "ssm", dataset="moons"), *seeds(5, "spline", dataset="moons")]
    [row] = rows(other, "flow")
    assert (row.group, row.reported) == ("moons, over Spline flow", (None, None, None))


def test_the_posters_numbers_are_only_at_its_weights():
    reported = {row.label: row.reported for row in rows(study(), "supervision")}
    assert reported["VERA, corrected, γ = 1"] == (4.98, -0.57)
    assert reported["SSM, corrected, γ = 10"] == (None, None)


def test_rows_have_a_change_per_panel_and_the_change_of_each_seed():
    [row] = [row for row in rows(image_study(), "embeddings") if row.label == "CD on embeddings"]
    assert [change.percent for change in row.changes] == pytest.approx([50, -10])
    assert row.changes[0].percents == pytest.approx([50] * 5)
    assert row.reported == (95.79, -13.52)


def test_failed_rows_are_drawn_with_others_only(tmp_path):
    broken = [failed_record("vera", seed, gamma=1.0) for seed in range(5)]
    assert list(forest_plots(gather([*seeds(5, "vera"), *broken]), tmp_path)) == []
    assert list(forest_plots(gather([*study(), *broken]), tmp_path))


def test_long_intervals_are_cut_and_points_are_inside():
    two = [*seeds(2, "ssm", [0.5, 0.9], gamma=1.0), *seeds(2, "ssm", [0.5, 0.5])]
    low, high = _limits(rows(two, "supervision"))
    change = rows(two, "supervision")[0].changes[0]
    assert change.low < -70
    assert low > -1.5
    assert low < 0 < 0.59 < high  # the log ratio of the second seed


def test_many_rows_have_several_figures(tmp_path):
    records = [r for gamma in range(1, 41) for r in seeds(1, "ssm", gamma=float(gamma))]
    drawings = list(forest_plots(gather([*records, *seeds(1, "ssm")]), tmp_path))
    assert [(d.name, bool(d.title)) for d in drawings] == [
        ("forest-supervision", True),
        ("forest-supervision-2", False),
    ]
