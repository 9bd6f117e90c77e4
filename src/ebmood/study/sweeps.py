"""Sweeps: the settings in which recipes of one description differ, and names that tell them apart."""

import json
from collections.abc import Mapping, Sequence

from ebmood.core.settings import digest

LONGEST = 40
"""Characters of the settings in a name."""


def flat_settings(settings: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return nested settings by dotted path, without those that are None.

    >>> flat_settings({"objective": {"sigma": 0.3, "chain": None}})
    {'objective.sigma': 0.3}
    """
    flat: dict[str, object] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flat_settings(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat


def differing(recipes: Sequence[Mapping[str, object]]) -> tuple[str, ...]:
    """Return the paths at which flat settings are not all equal, in their order.

    >>> differing([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}])
    ('b', 'c')
    """
    paths = dict.fromkeys(path for recipe in recipes for path in recipe)
    return tuple(
        path for path in paths if any(recipe.get(path) != recipes[0].get(path) for recipe in recipes)
    )


def recipe_digest(recipe: Mapping[str, object]) -> str:
    """Return a digest of the settings of a recipe that are not None; the title is not a setting."""
    return digest(_without_none({key: value for key, value in recipe.items() if key != "title"}))


def distinctions(recipes: Sequence[Mapping[str, object]]) -> list[str]:
    """Return what tells apart recipes of one description, such as `sigma=0.3`. Settings that are None are left out.

    It is the first four digits of `recipe_digest`, such as `#15ef`, for all of them if a text is longer than `LONGEST`
    characters or two are equal.

    >>> distinctions([{"objective": {"sigma": 0.05}, "gamma": 1}, {"objective": {"sigma": 0.3}, "gamma": 1}])
    ['sigma=0.05', 'sigma=0.3']
    """
    flat = [flat_settings(recipe) for recipe in recipes]
    paths = [path for path in differing(flat) if path != "title"]
    ends = [path.rpartition(".")[2] for path in paths]
    titles = {path: end if ends.count(end) == 1 else path for path, end in zip(paths, ends, strict=True)}
    texts = [
        ", ".join(f"{title}={_text(settings[path])}" for path, title in titles.items() if path in settings)
        for settings in flat
    ]
    if max(map(len, texts), default=0) > LONGEST or len(set(texts)) < len(texts):
        return [f"#{recipe_digest(recipe)[:4]}" for recipe in recipes]
    return texts


def _without_none(settings: object) -> object:
    """Remove settings that are None, so that new optional settings do not split arms."""
    if isinstance(settings, dict):
        return {key: _without_none(value) for key, value in settings.items() if value is not None}
    return [_without_none(value) for value in settings] if isinstance(settings, list) else settings


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
