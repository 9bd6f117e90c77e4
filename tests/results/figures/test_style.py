import pytest
from helpers.records import made_record, seeds

from ebmood.results.arms import gather
from ebmood.results.figures.style import add_legend, arms_with, new_figure, recipe_label, seed_captions


@pytest.mark.parametrize("columns", [1, 4])
def test_a_legend_stays_inside_its_figure(columns):
    with new_figure(1, columns, 2.0, 1.75) as (figure, panels):
        for label in ("unsupervised", *(f"γ = {gamma:g}" for gamma in (0.01, 0.1, 1, 10, 100))):
            panels[0][0].plot([0, 1], [0, 1], label=label)
        add_legend(figure, *panels[0])
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width


def test_a_legend_can_have_an_order():
    with new_figure(1, 1, 2.0, 1.75) as (figure, panels):
        for label in ("b", "a", "c"):
            panels[0][0].plot([0, 1], [0, 1], label=label)
        add_legend(figure, *panels[0], order=("a", "missing"))
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b", "c"]


def test_the_first_seed_with_scores_is_drawn():
    records = [made_record("ssm", 0), made_record("ssm", 1, scores={"id": (1.0,)}), made_record("cd", 0)]
    [(arm, record)] = arms_with(gather(records), "scores")
    assert (arm.method, record.seed) == ("ssm", 1)


def test_captions_name_the_seeds():
    assert seed_captions(seeds(1, "ssm")) == ("seed 0", [""])
    assert seed_captions(seeds(2, "ssm"))[1] == ["\nseed 0", "\nseed 1"]


def test_labels_of_recipes():
    [arm] = gather(seeds(1, "ssm", gamma=1.0, shortened=True))
    assert recipe_label(arm, "ssm") == "corrected, γ = 1\n(shortened)"
    assert recipe_label(arm, "other") == "SSM, corrected, γ = 1\n(shortened)"


def test_labels_of_a_sweep_contain_its_settings():
    recipes = [{"recipe": {"objective": {"sigma": sigma}}} for sigma in (0.05, 0.3)]
    arms = gather([record for settings in recipes for record in seeds(1, "cd", settings=settings)])
    assert [recipe_label(arm, "cd") for arm in arms] == [
        "sigma=0.05, unsupervised",
        "sigma=0.3, unsupervised",
    ]
