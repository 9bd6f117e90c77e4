"""Names and numbers of categories. A value of several types has one name: `True` and `"true"`, 1 and `"1.0"`."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

Levels = tuple[str, ...]
"""The levels (different categories) of a column. The position of a level is its number."""

MISSING_WORDS = ("", "?", r"\n", "#n/a", "#na", "<na>", "nan", "nat")
"""Words for a missing value in any column, in lower case. `NA` is not one of them: it may be the code of Namibia."""

ALIASES = {"1": "true", "0": "false", "true": "1", "false": "0"}
"""Names of booleans that may also be written as numbers, and the reverse."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:?\d\d)?")
_NUMBER = re.compile(r"([+-]?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def is_missing(value: Any) -> bool:
    """Return whether an object is None, NaN, or `NA` or `NaT` of pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def category_name(value: Any) -> str | None:
    """Return the name of a category, or None for a missing value: None, NaN, or a word of `MISSING_WORDS`.

    >>> [category_name(value) for value in (True, "TRUE", 1, "1.0", 0.5, "0.50", "007", " a ", float("nan"))]
    ['true', 'true', '1', '1', '0.5', '0.5', '007', 'a', None]
    >>> [category_name(value) for value in ("2020-01-31T12:00Z", "2020-01-31 12:00:00.000+0000", "2020-01-31T00:00:00")]
    ['2020-01-31 12:00:00+00:00', '2020-01-31 12:00:00+00:00', '2020-01-31']
    """
    if is_missing(value) or value is np.ma.masked:
        return None
    text = str(value).strip()
    time = _TIME.fullmatch(text)
    if time:
        return _time_name(*time.groups(default=""))
    lower = text.lower()
    if lower in MISSING_WORDS:
        return None
    if lower in ("true", "false"):
        return lower
    number = _NUMBER.fullmatch(text)
    if number:
        digits = (number[3] or "").rstrip("0")
        sign = "-" if number[1] == "-" and (number[2] != "0" or digits) else ""
        return sign + number[2] + ("." + digits if digits else "")
    return text


def category_names(values: Iterable[Any]) -> list[str | None]:
    """Return the name of each value, as `category_name` does. Equal values are converted once."""
    names: dict[tuple[type, Any], str | None] = {}
    result = []
    for value in values:
        try:
            key = type(value), value  # 1 and True are equal
            if key not in names:
                names[key] = category_name(value)
            result.append(names[key])
        except TypeError:  # a list, which has no hash
            result.append(category_name(value))
    return result


def _time_name(date: str, minutes: str, seconds: str, fraction: str, zone: str) -> str:
    """Return a date and time as `2020-01-31 12:00:00`, or as a date only if it is midnight."""
    fraction = fraction.rstrip("0")
    time = f" {minutes}:{seconds or '00'}" + (f".{fraction}" if fraction else "")
    zone = "+00:00" if zone == "Z" else zone if ":" in zone or not zone else f"{zone[:3]}:{zone[3:]}"
    return date + ("" if time == " 00:00:00" and not zone else time + zone)


def find_levels(names: Iterable[str | None]) -> Levels:
    """Return the levels of a column, the most frequent first.

    >>> find_levels(["b", "a", None, "b"])
    ('b', 'a')
    """
    counts = Counter(name for name in names if name is not None)
    return tuple(sorted(counts, key=lambda name: (-counts[name], name)))


def encode(names: pyarrow.Array, levels: Levels) -> NDArray[np.float64]:
    """Return the numbers of levels `(N,)`: NaN for missing values, and the number of levels for an unknown one.

    >>> encode(pyarrow.array(["a", "c", None]), ("b", "a"))
    array([ 1.,  2., nan])
    """
    encoded, numbers = names.dictionary_encode(), level_numbers(levels)
    codes = [numbers.get(name, len(levels)) for name in encoded.dictionary.to_pylist()]
    return np.array([*codes, np.nan])[np.asarray(encoded.indices.fill_null(len(codes)))]


def level_numbers(levels: Levels) -> Mapping[str, int]:
    """Return the number of each name. A boolean may also be written as 0 or 1, unless these are levels of their own."""
    numbers = {name: number for number, name in enumerate(levels)}
    for name, alias in ALIASES.items():
        if alias in levels and name not in levels:
            numbers[name] = numbers[alias]
    return numbers
