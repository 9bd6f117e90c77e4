"""The interface of models that are made of several trained models: ensembles, and ratios of two models."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from ebmood.core.settings import Settings
from ebmood.data.dataset import Split
from ebmood.density_scores import CombinedScore
from ebmood.recipes.fitted import Fitted
from ebmood.training import Report

if TYPE_CHECKING:
    from ebmood.recipes.recipe import Recipe


class Combination(Settings, ABC):
    """Settings of a score of several models. It stands in the place of the model of a recipe.

    Attributes:
        of: settings of the score.
    """

    kind: str
    of: CombinedScore

    @property
    @abstractmethod
    def members(self) -> "tuple[Recipe, ...]":
        """The recipes of the models. Each is a cell of its own with the same data and the same seed."""

    @abstractmethod
    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> Fitted:
        """Return the score of the members, trained or read from the cache. See `Recipe.fit` for arguments."""
