from ebmood.study.sweeps import distinctions, recipe_digest


def test_settings_that_are_none_or_equal_are_in_no_name():
    recipes = [{"noise": None, "x": 1, "title": "A"}, {"noise": 0.1, "x": 1, "title": "B"}]
    assert distinctions(recipes) == ["", "noise=0.1"]


def test_numbers_with_one_text_are_told_apart_by_a_digest():
    recipes = [{"x": 0.3}, {"x": 0.3 + 1e-12}]
    assert distinctions(recipes) == [f"#{recipe_digest(recipe)[:4]}" for recipe in recipes]
    assert len(set(distinctions(recipes))) == 2


def test_a_digest_does_not_depend_on_the_title_and_on_settings_that_are_none():
    assert recipe_digest({"x": 1, "title": "A", "y": {"z": None}}) == recipe_digest({"x": 1, "y": {}})
