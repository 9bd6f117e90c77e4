"""Recipes: methods with their settings, ready to be fitted to a split."""

from ebmood.recipes.classifier import Classifier, ExternalClassifier
from ebmood.recipes.embedding import Embedding
from ebmood.recipes.images import IMAGE_METHODS
from ebmood.recipes.lookup import recipe_for
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.scorer import DensityScorer, Fitted
from ebmood.recipes.tabular import METHODS, Method, energy_method, external_detector
from ebmood.recipes.variant import Variant

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "Classifier",
    "DensityScorer",
    "Embedding",
    "ExternalClassifier",
    "Fitted",
    "Method",
    "Recipe",
    "Variant",
    "energy_method",
    "external_detector",
    "recipe_for",
]
