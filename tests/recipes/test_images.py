import pytest

from ebmood.core.errors import EbmoodError
from ebmood.recipes import IMAGE_METHODS, recipe_for


def recipe(method, gamma, variant):
    return recipe_for(method, variant, gamma, (3, 32, 32))


def test_variants_differ_where_the_paper_is_corrected():
    assert recipe("vera", None, "paper").objective.gradient_penalty == pytest.approx(0.1 / 32**2)
    assert recipe("vera", None, "corrected").objective.gradient_penalty == 0.1
    assert recipe("cd", 1.0, "paper").objective.chain.steps == 20
    assert recipe("cd", 1.0, "corrected").objective.chain.steps == 100
    assert recipe("cd", None, "paper") == recipe("cd", None, "corrected")
    assert recipe("ssm", None, "paper").objective.over == "last"


def test_ssm_is_degenerate_in_the_paper_only():
    assert recipe("ssm", None, "paper").degenerate
    assert not recipe("ssm", None, "corrected").degenerate


@pytest.mark.parametrize("method", IMAGE_METHODS)
def test_a_method_returns_its_recipe(method):
    assert recipe(method, None, "corrected").method == method


@pytest.mark.parametrize("method", ["glow", "max-softmax"])
def test_options_that_a_method_does_not_have_are_errors(method):
    with pytest.raises(EbmoodError, match="has no bottleneck"):
        recipe_for(method, "corrected", None, (1, 8, 8), bottleneck=0.1)
    with pytest.raises(EbmoodError, match="takes no labels"):
        recipe_for(method, "corrected", 1.0, (1, 8, 8))
