"""Read durations as numbers of seconds."""

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"

_UNITS = {
    "weeks": ("w|wk|weeks?", 604_800.0),
    "days": ("d|days?", 86_400.0),
    "hours": ("h|hrs?|hours?|std", 3_600.0),
    "minutes": ("m|mins?|minutes?", 60.0),
    "seconds": ("s|secs?|seconds?|sek", 1.0),
    "milliseconds": ("ms|msecs?|milliseconds?", 1e-3),
    "microseconds": ("[uµμ]s|microseconds?", 1e-6),
    "nanoseconds": ("ns|nanoseconds?", 1e-9),
}
"""Regular expressions of the units, and their numbers of seconds."""


def _part(name: str, unit: str) -> str:
    return f"(?:(?P<{name}>{_NUMBER}){unit})?"


_WORDS = "".join(_part(name, rf"\s*(?:{unit})\.?[\s,]*") for name, (unit, _) in _UNITS.items())

_PATTERNS = (
    # 01:23:45, 3 days 04:05:06, -1 days +23:59:59, 3.04:05:06
    r"^(?P<sign>[+-]?)(?:(?P<days>[0-9]+)(?:\s*(?:d|days?)[\s,]*|[. -]))?(?P<clock>[+-]?)(?P<hours>[0-9]+)"
    r":(?P<minutes>[0-5]?[0-9])(?::(?P<seconds>[0-5]?[0-9](?:[.,][0-9]+)?))?$",
    # 2h 5m, 1.5 s, 250ms
    rf"(?i)^(?P<sign>[+-]?){_WORDS}$",
    r"(?i)^(?P<hours>[0-9]+)\s*h\s*(?P<minutes>[0-5][0-9])$",  # 2h05
    r"^(?P<minutes>[0-9]+):(?P<seconds>[0-5][0-9][.,][0-9]+)$",  # 1:02.345
    # PT1H30M
    rf"^(?P<sign>[+-]?)P{_part('weeks', 'W')}{_part('days', 'D')}(?:T{_part('hours', 'H')}{_part('minutes', 'M')}"
    rf"{_part('seconds', 'S')})?$",
)


def read_durations(cells: pyarrow.Array) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return durations in seconds, and which cells are not durations.

    >>> read_durations(pyarrow.array(["01:23:45", "3 days 04:05:06", "2h 5m", "PT1H30M", "soon", None]))
    (array([  5025., 273906.,   7500.,   5400.,     nan,     nan]), array([False, False, False, False,  True, False]))

    Args:
        cells: `(N,)` text without spaces around it, or durations of Arrow; null for missing cells.

    Returns:
        `(N,)` float64, NaN for missing cells and for those that are not durations, and `(N,)` booleans.
    """
    if types.is_duration(cells.type):
        counts = np.asarray(cells.cast(pyarrow.int64()).cast(pyarrow.float64(), safe=False))
        per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[cells.type.unit]
        return counts / per_second, np.zeros(len(cells), dtype=bool)
    values = np.full(len(cells), np.nan)
    with_digit = compute.if_else(compute.match_substring_regex(cells, "[0-9]"), cells, None)
    for pattern in _PATTERNS:
        parts = compute.extract_regex(with_digit, pattern)
        found = parts.is_valid()
        if found.true_count:
            values[np.asarray(found)] = _seconds(parts.filter(found))
    return values, np.isnan(values) & np.asarray(cells.is_valid())


def _seconds(parts: pyarrow.StructArray) -> NDArray[np.float64]:
    """Return the durations of the parts that a regular expression found, `(N,)`."""
    fields = {field.name: parts.field(number) for number, field in enumerate(parts.type)}

    def number(name: str) -> NDArray[np.float64]:
        if name not in fields:
            return np.zeros(len(parts))
        text = compute.replace_substring(compute.fill_null(fields[name], ""), ",", ".")
        text = compute.if_else(compute.equal(text, ""), "0", text)
        return np.asarray(compute.cast(text, pyarrow.float64()))

    def sign(name: str, default: float | NDArray[np.float64]) -> NDArray[np.float64]:
        text = np.asarray(fields[name].fill_null("")) if name in fields else np.full(len(parts), "")
        return np.select([text == "-", text == "+"], [-1.0, 1.0], default)

    days_sign = sign("sign", 1.0)
    days = sum(number(name) * _UNITS[name][1] for name in ("weeks", "days"))
    clock = sum(
        number(name) * seconds for name, (_, seconds) in _UNITS.items() if name not in ("weeks", "days")
    )
    return days_sign * days + sign("clock", days_sign) * clock
