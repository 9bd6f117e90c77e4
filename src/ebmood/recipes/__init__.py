"""Recipes: methods with their settings, ready to be fitted to a split."""

from ebmood.recipes.choice import recipe_for
from ebmood.recipes.embedding import Classifier, Embedding, OutsideClassifier
from ebmood.recipes.images import IMAGE_METHODS
from ebmood.recipes.recipe import AnyModel, DensityScorer, Fitted, Recipe, Variant
from ebmood.recipes.tabular import METHODS, outside_detector

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "AnyModel",
    "Classifier",
    "DensityScorer",
    "Embedding",
    "Fitted",
    "OutsideClassifier",
    "Recipe",
    "Variant",
    "outside_detector",
    "recipe_for",
]
