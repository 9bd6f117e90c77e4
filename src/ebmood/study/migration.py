"""Compatibility with version 0.1: keys of its cells, and fields of its records.

Version 0.1 used the name `sound` for the variant `corrected`, did not record titles, and its cell keys did not cover
the versions of splits and probes. Records on disk keep their keys; `keys_of_0_1.json` maps the current keys of the
cells whose records ship with the repository to their keys in version 0.1.
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from typing import Any

TITLES = {
    "ssm": "SSM",
    "cd": "CD",
    "vera": "VERA",
    "radial": "Radial flow",
    "spline": "Spline flow",
    "realnvp": "RealNVP",
    "glow": "Glow",
    "gmm": "Gaussian mixture",
    "knn": "kNN",
    "iforest": "Isolation forest",
    "max-softmax": "Max-softmax",
    "logsumexp": "Logsumexp",
}
"""Titles of the methods of version 0.1."""


def current_key(key: str) -> str:
    """Return the current key of a cell of version 0.1; other keys are returned unchanged."""
    return _current_keys().get(key, key)


def current_record(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record with the names of this version. The input is not changed.

    >>> current_record({"method": "ssm", "variant": "sound"})
    {'method': 'ssm', 'variant': 'corrected', 'title': 'SSM'}
    """
    record = _with_current_variant(values)
    if "method" in record:
        record.setdefault("title", TITLES.get(record["method"], record["method"]))
    settings = record.get("settings")
    if isinstance(settings, dict) and isinstance(settings.get("recipe"), dict):
        record["settings"] = settings | {"recipe": _with_current_variant(settings["recipe"])}
    return record


def _with_current_variant(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values) | ({"variant": "corrected"} if values.get("variant") == "sound" else {})


@lru_cache
def _current_keys() -> dict[str, str]:
    """Return the mapping from keys of version 0.1 to current keys."""
    text = (resources.files("ebmood.study") / "keys_of_0_1.json").read_text(encoding="utf-8")
    return {old: new for new, old in json.loads(text).items()}
