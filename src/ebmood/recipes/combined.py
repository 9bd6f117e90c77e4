"""Recipes of scores of several models: WAIC of an ensemble, and the likelihood ratio to a background model.

Every member is a recipe of its own, and a cell of the study with its own record. A combination does not train its
members again: the cell of a member stores its weights in the cache folder, and the combination reads them there. If
they are missing (on another machine, or if the combination runs first), it trains the member and stores the weights.

All members of a cell learn from the split of that cell. Cells of other seeds have other splits: their training rows may
be test rows here, so they cannot be members.
"""

from dataclasses import replace
from typing import Literal

from ebmood.core.errors import InputError
from ebmood.data.dataset import Split
from ebmood.density_scores import WAIC, LikelihoodRatio
from ebmood.density_scores.likelihood_ratio import LikelihoodRatioScorer
from ebmood.density_scores.waic import WAICScorer
from ebmood.models import DensityScorer
from ebmood.recipes.combination import Combination
from ebmood.recipes.fitted import Fitted
from ebmood.recipes.recipe import Recipe
from ebmood.recipes.trained import trained
from ebmood.training import Progress, Report


class WAICEnsemble(Combination):
    """Settings of the WAIC of an ensemble.

    Attributes:
        of: settings of the score.
        models: the recipes of the members.
    """

    kind: Literal["waic-ensemble"] = "waic-ensemble"
    of: WAIC
    models: tuple[Recipe, ...]

    @property
    def members(self) -> tuple[Recipe, ...]:
        """Implement `Combination.members`."""
        return self.models

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> Fitted:
        """Implement `Combination.fit`."""
        scorers, events = _trained_members(self, split, seed, device, report)
        return Fitted(WAICScorer(scorers), {}, events)


class BackgroundRatio(Combination):
    """Settings of the likelihood ratio to a background model.

    Attributes:
        of: settings of the score.
        model: the recipe of the model.
        background: the recipe of the background model.
    """

    kind: Literal["background-ratio"] = "background-ratio"
    of: LikelihoodRatio
    model: Recipe
    background: Recipe

    @property
    def members(self) -> tuple[Recipe, ...]:
        """Implement `Combination.members`."""
        return (self.model, self.background)

    def fit(self, split: Split, seed: int, device: str, report: Report | None = None) -> Fitted:
        """Implement `Combination.fit`."""
        (model, background), events = _trained_members(self, split, seed, device, report)
        return Fitted(LikelihoodRatioScorer(model, background), {}, events)


def waic_recipe(recipe: Recipe, score: WAIC) -> Recipe:
    """Return the recipe of the WAIC of an ensemble of one method.

    Raises:
        InputError: the method has no normalised density model.
    """
    score.check(recipe.scored_model(()))
    others = (
        recipe.updated(
            method=f"{recipe.method}-member-{number}",
            title=f"{recipe.title}, member {number}",
            family="baseline",
            member=number,
            scores=None,
        )
        for number in range(1, score.models)
    )
    model = WAICEnsemble(of=score, models=(recipe, *others))
    return _combined(recipe, f"waic-{score.models}", score.title, model)


def likelihood_ratio_recipe(
    recipe: Recipe, score: LikelihoodRatio, background: Recipe | None = None
) -> Recipe:
    """Return the recipe of the likelihood ratio of one method to a background model.

    Args:
        recipe: the recipe of the model.
        score: settings of the score.
        background: the recipe of the background model before its rows are perturbed; None for that of the model.

    Raises:
        InputError: a method has no normalised density model, or the two learn from different inputs.
    """
    base = background or recipe
    for each in (recipe, base):
        score.check(each.scored_model(()))
    if recipe.embedding != base.embedding:
        raise InputError(
            f"score {score.kind!r}: the background model learns from other inputs than {recipe.method!r}; give both "
            "the same 'embedding'"
        )
    perturbed = base.updated(
        method=f"{base.method}-background",
        title=f"{base.title}, background {score.mutation:g}",
        family="baseline",
        mutation=score.mutation,
        scores=None,
    )
    model = BackgroundRatio(of=score, model=recipe, background=perturbed)
    name = "ratio" if background is None else f"ratio-to-{background.method}"
    title = "likelihood ratio" if background is None else f"likelihood ratio to {background.title}"
    return _combined(recipe, name, title, model)


def _combined(recipe: Recipe, name: str, title: str, model: Combination) -> Recipe:
    return Recipe(
        method=f"{recipe.method}-{name}",
        title=f"{recipe.title}, {title}",
        family="baseline",
        variant=recipe.variant,
        gamma=recipe.gamma,
        shortened=any(member.shortened for member in model.members),
        embedding=recipe.embedding,
        model=model,
    )


def _trained_members(
    combination: Combination, split: Split, seed: int, device: str, report: Report | None
) -> tuple[list[DensityScorer], tuple[str, ...]]:
    """Return the trained members, and one line for every rollback of their training."""
    scorers, events = [], []
    for member in combination.members:

        def report_stage(progress: Progress, name: str = member.label) -> None:
            if report is not None:
                report(replace(progress, stage=name))

        fitted = trained(member, split, seed, device, report_stage)
        if not isinstance(fitted.scorer, DensityScorer):
            raise InputError(f"{member.method!r} is not a density model; name a flow")
        scorers.append(fitted.scorer)
        events += fitted.events
    return scorers, tuple(events)
