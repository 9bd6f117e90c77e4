import pytest

from ebmood.core.errors import EbmoodError
from ebmood.recipes import Classifier, ExternalClassifier, recipe_for


def test_recipes_for_embeddings_use_the_batch_size_of_the_data_set():
    grey, colour = (
        recipe_for("vera", "paper", None, shape, embedding=Classifier())
        for shape in ((1, 28, 28), (3, 32, 32))
    )
    assert (grey.training.batch_size, colour.training.batch_size) == (128, 512)
    assert grey.objective.gradient_penalty == pytest.approx(0.1 / 128**2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "spline", "shape": (1, 8, 8)}, "unknown method 'spline' for images"),
        ({"method": "glow", "shape": (18,)}, "unknown method 'glow' for tables"),
        ({"method": "cd", "shape": (18,), "bottleneck": 0.1}, "bottleneck"),
        ({"method": "cd", "shape": (18,), "embedding": Classifier()}, "this data set is a table"),
        (
            {"method": "cd", "shape": (1, 8, 8), "embedding": ExternalClassifier(path="no.such.function")},
            "cannot be imported",
        ),
    ],
)
def test_recipes_that_do_not_exist_are_errors(arguments, message):
    with pytest.raises(EbmoodError, match=message):
        recipe_for(**{"variant": "corrected", "gamma": None, **arguments})
