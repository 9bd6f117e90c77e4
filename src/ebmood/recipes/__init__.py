"""Recipes: methods with their settings, ready to be fitted to a split."""

from ebmood.recipes.recipe import AnyModel, DensityScorer, Fitted, Recipe, Variant
from ebmood.recipes.tabular import METHODS, outside_detector

__all__ = ["METHODS", "AnyModel", "DensityScorer", "Fitted", "Recipe", "Variant", "outside_detector"]
