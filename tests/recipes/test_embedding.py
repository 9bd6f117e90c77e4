from helpers.small_recipes import SIZE, image_split, small_classifier

from ebmood.recipes import recipe_for


def test_features_of_training_rows_are_scaled_to_the_unit_interval(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path))
    recipe = recipe_for("knn", "corrected", None, (1, SIZE, SIZE), embedding=small_classifier())
    split = recipe.embed(image_split(), seed=0)
    assert recipe.label == "knn embedding"
    assert split.train_x.shape == (64, 64)
    assert split.validation_x.shape == (32, 64)
    assert split.train_x.min() == 0
    assert split.train_x.max() == 1
    assert split.notes == ("features of WRN-10-1: 64",)
