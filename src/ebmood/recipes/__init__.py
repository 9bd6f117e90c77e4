"""Recipes: methods with their settings, ready to be fitted to a split."""

from ebmood.models import DensityScorer
from ebmood.recipes.classifier import Classifier, ExternalClassifier
from ebmood.recipes.combination import Combination
from ebmood.recipes.combined import likelihood_ratio_recipe, waic_recipe
from ebmood.recipes.embedding import Embedding
from ebmood.recipes.fitted import Fitted
from ebmood.recipes.images import IMAGE_METHODS
from ebmood.recipes.lookup import recipe_for
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.tabular import METHODS, Method, energy_method, external_detector
from ebmood.recipes.variant import Variant

__all__ = [
    "IMAGE_METHODS",
    "METHODS",
    "Classifier",
    "Combination",
    "DensityScorer",
    "Embedding",
    "ExternalClassifier",
    "Fitted",
    "Method",
    "Recipe",
    "Variant",
    "energy_method",
    "external_detector",
    "likelihood_ratio_recipe",
    "recipe_for",
    "waic_recipe",
]
