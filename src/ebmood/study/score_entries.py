"""The list under `score` of a study file: the recipe with its other scores, and the recipes that combine models."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ebmood.core.errors import EbmoodError
from ebmood.density_scores import SCORES, WAIC, CombinedScore, DensityScore, LikelihoodRatio
from ebmood.recipes import Recipe, likelihood_ratio_recipe, waic_recipe
from ebmood.study.schema import RatioEntry
from ebmood.study.yaml_document import KeyPath, YamlDocument, suggestion

LOG_DENSITY = "log-density"
"""The score that every cell has."""

MakeBackground = Callable[[Any, KeyPath], Recipe]
"""Returns the recipe of an entry under `background`, at its place in the file."""


def read_scores(
    document: YamlDocument, entries: Sequence[Any], key_path: KeyPath
) -> list[tuple[DensityScore | CombinedScore, KeyPath]]:
    """Return the scores of a list under `score` besides the log-density, each with its place in the file.

    Raises:
        EbmoodError: a score is unknown, has a wrong setting, or is listed twice.
    """
    classes = {cls.model_fields["kind"].default: cls for cls in SCORES}
    scores: list[tuple[DensityScore | CombinedScore, KeyPath]] = []
    for i, entry in enumerate(entries):
        place = (*key_path, "score", i)
        values = {"kind": entry} if isinstance(entry, str) else entry
        if values == {"kind": LOG_DENSITY}:
            continue
        if not isinstance(values, dict) or "kind" not in values:
            known = suggestion("", [LOG_DENSITY, *classes])
            document.fail(place, f"a score is a name, or keys with a `kind`{known}")
        kind = str(values["kind"])
        if kind not in classes:
            document.fail(place, f"unknown score {kind!r}{suggestion(kind, [LOG_DENSITY, *classes])}")
        model = RatioEntry if classes[kind] is LikelihoodRatio else classes[kind]
        score = document.validate(model, values, place)
        if any(score == other for other, _ in scores):
            document.fail(place, f"the score {kind!r} is listed twice; remove one of the two")
        scores.append((score, place))
    return scores


def scored_recipes(
    document: YamlDocument,
    scores: Sequence[tuple[DensityScore | CombinedScore, KeyPath]],
    recipe: Recipe,
    shape: tuple[int, ...],
    background: MakeBackground,
) -> Iterator[Recipe]:
    """Yield the recipe with its scores of one model; then, for each score of several models, their recipes and its own.

    Args:
        document: the study file.
        scores: from `read_scores`.
        recipe: a recipe without scores.
        shape: shape of one input.
        background: makes the recipe of a background model.

    Raises:
        EbmoodError: the model does not have a score.
    """
    for score, place in scores:
        try:
            score.check(recipe.scored_model(shape))
        except EbmoodError as error:
            document.fail(place, str(error))
    own = tuple(score for score, _ in scores if isinstance(score, DensityScore))
    recipe = recipe.model_copy(update={"scores": own or None})
    yield recipe
    for score, place in scores:
        try:
            if isinstance(score, WAIC):
                combined = waic_recipe(recipe, score)
            elif isinstance(score, RatioEntry):
                key = (*place, "background")
                base = None if score.background is None else background(score.background, key)
                combined = likelihood_ratio_recipe(recipe, score.score, base)
            else:
                continue
        except EbmoodError as error:
            document.fail(place, str(error))
        assert combined.combination
        yield from combined.combination.members[1:]
        yield combined
