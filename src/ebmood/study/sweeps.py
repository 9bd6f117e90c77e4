"""Sweeps: the settings in which recipes of one description differ, and names that tell them apart."""

import json
from collections.abc import Mapping, Sequence

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


def sweep_names(recipes: Sequence[Mapping[str, object]]) -> list[str] | None:
    """Return what tells apart recipes with flat settings, such as `sigma=0.3`; settings that are None are left out.

    It is None if a name is longer than `LONGEST` characters, or if two names are equal.

    >>> sweep_names([{"objective.sigma": 0.05, "model.depth": 2}, {"objective.sigma": 0.3, "model.depth": 2}])
    ['sigma=0.05', 'sigma=0.3']
    """
    paths = differing(recipes)
    ends = [path.rpartition(".")[2] for path in paths]
    titles = {path: end if ends.count(end) == 1 else path for path, end in zip(paths, ends, strict=True)}
    names = [
        ", ".join(f"{titles[path]}={_text(recipe[path])}" for path in paths if path in recipe)
        for recipe in recipes
    ]
    too_long = any(len(name) > LONGEST for name in names)
    return None if too_long or len(set(names)) < len(names) else names


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)
