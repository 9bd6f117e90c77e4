import numpy as np
from helpers.small_recipes import image_split, moons_split, short_image_recipe, shorten

from ebmood.recipes import METHODS


def test_the_score_of_a_row_does_not_depend_on_the_other_rows():
    split = moons_split()
    recipe = shorten(METHODS["vera"]("corrected", None)).overridden(training={"steps": 5, "warmup": 0})
    scorer = recipe.fit(split, seed=0).scorer
    together = scorer.score_samples(split.train_x)
    one_by_one = np.concatenate([scorer.score_samples(row[None]) for row in split.train_x[:20]])
    np.testing.assert_allclose(together[:20], one_by_one, rtol=1e-5, atol=1e-5)


def test_every_call_adds_the_same_noise():
    split = image_split()
    scorer = short_image_recipe("cd").overridden(training={"steps": 1, "warmup": 0}).fit(split, seed=0).scorer
    np.testing.assert_array_equal(scorer.score_samples(split.test_x), scorer.score_samples(split.test_x))
