import numpy as np
import pytest
from helpers.small_recipes import image_split, moons_split, short_image_recipe, shorten

from ebmood.core.errors import InputError
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


def test_rows_that_the_model_cannot_score_are_refused_in_one_line():
    split = moons_split()
    scorer = METHODS["dsm"]("corrected", None).untrained(split, seed=0)
    scores = scorer.score_samples(split.test_x)
    np.testing.assert_array_equal(scorer.score_samples(split.test_x.tolist()), scores)
    for rows, message in (
        (split.test_x[:, :1], r"^x: 1 columns, but the training rows have 2; [^\n]*$"),
        (split.test_x[0], r"^x: 1 axes; [^\n]*$"),
        (
            np.concatenate([split.train_x, [[0.0, np.nan]]]),
            rf"^x: nan in row {len(split.train_x)}, column 1; [^\n]*$",
        ),
        (np.full((2, 2), 1e300), r"^x: inf in row 0, column 0; [^\n]*$"),
        ([["a", "b"]], r"^x: values of type <U1; [^\n]*$"),
    ):
        with pytest.raises(InputError, match=message), np.errstate(over="ignore"):
            scorer.score_samples(rows)


def test_bytes_in_a_table_are_numbers():
    scorer = METHODS["dsm"]("corrected", None).untrained(moons_split(), seed=0)
    rows = np.array([[0, 1], [1, 0]])
    np.testing.assert_array_equal(scorer.score_samples(rows.astype(np.uint8)), scorer.score_samples(rows))
