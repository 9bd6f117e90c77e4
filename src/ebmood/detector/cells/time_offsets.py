"""The offsets from UTC of times, such as `+02:00`, and what to do if later times have others.

Cycles are those of the local clock: `08:00+02:00` is eight o'clock. If all training times have one offset, times with
another one are converted to it, because programs write the same instants in UTC or in other zones. An hour of
difference may be daylight saving time, in which the local clock is still the one to read.
"""

import re
from collections.abc import Collection

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import types

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import clean_text, decode, drop_unreadable_times, is_text
from ebmood.detector.cells.dates import Times

UTC = "Z"
"""The offset of times that say that they are in UTC. `+00:00` may also be the local time of a place."""

NONE = "none"
"""The offset of times without one."""

DAYLIGHT_SAVING = 60
"""Largest difference between offsets, in minutes, that daylight saving time may explain."""

_CLOCK_AND_OFFSET = (
    r":\d{2}(?:[.,]\d+)?(?:\s*[AaPp]\.?[Mm]\.?|\s*(?:Uhr|h))?"
    r"\s*(?P<offset>Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)(?:\s+(?:[A-Z]{3,4}|\d{4}))*$"
)
_SPELLING = re.compile(r"([+-]\d{2}):?(\d{2})?")


def time_offsets(cells: pyarrow.Array, missing: Collection[str] = ()) -> pyarrow.Array:
    """Return the offset of each time: `+02:00`, `Z` or `none`, as text `(N,)`. Those of missing and odd cells are null.

    >>> time_offsets(pyarrow.array(["2024-05-01 08:00+0200", "2024-05-01T08:00:00.5Z", "2024-05-01 08:00"])).to_pylist()
    ['+02:00', 'Z', 'none']

    Args:
        cells: `(N,)` text, dates or times.
        missing: further words for missing values, in lower case.
    """
    cells = drop_unreadable_times(decode(cells))[0]
    if types.is_timestamp(cells.type) and cells.type.tz and cells.type.tz not in ("UTC", "Etc/UTC", UTC):
        units = {"s": 60, "ms": 60_000, "us": 60_000_000, "ns": 60_000_000_000}[cells.type.unit]
        local, instant = (
            times.cast(pyarrow.timestamp(cells.type.unit)).cast(pyarrow.int64())
            for times in (compute.local_timestamp(cells), cells)
        )
        spellings = compute.divide(compute.subtract(local, instant), units).dictionary_encode()
        names = [_name(minutes) for minutes in spellings.dictionary.to_pylist()]
        return pyarrow.array(names, pyarrow.string()).take(spellings.indices)
    if is_text(cells.type):
        cells = clean_text(cells, missing).cast(pyarrow.string())
        parts = compute.extract_regex(cells, _CLOCK_AND_OFFSET)
        found = compute.if_else(parts.is_valid(), parts.field("offset"), NONE)
        spellings = compute.if_else(cells.is_valid(), found, None).dictionary_encode()
        names = [_normal(spelling) for spelling in spellings.dictionary.to_pylist()]
        return pyarrow.array(names, pyarrow.string()).take(spellings.indices)
    name = UTC if types.is_timestamp(cells.type) and cells.type.tz else NONE
    return compute.if_else(cells.is_valid(), name, None)


def convert(times: Times, offsets: pyarrow.Array, known: Collection[str]) -> Times:
    """Return local times, of which those with another offset are converted to that of the training times.

    Args:
        times: `(N,)` local times.
        offsets: their offsets, `(N,)`.
        known: the offsets of the training times.
    """
    if len(known) != 1:
        return times
    [base] = known
    others = [name for name in offsets.unique().drop_null().to_pylist() if _is_convertible(name, base)]
    for name in others:
        is_other = np.asarray(compute.fill_null(compute.equal(offsets, name), False))
        shift = np.timedelta64(_minutes(base) - _minutes(name), "m")
        times = np.where(is_other, times + shift, times)
    return times


def foreign_offsets(offsets: pyarrow.Array, known: Collection[str]) -> NDArray[np.bool_]:
    """Return which times have an offset that no training time has, and are not converted: `(N,)`.

    Args:
        offsets: their offsets, `(N,)`.
        known: the offsets of the training times; empty if they are unknown.
    """
    names = offsets.unique().drop_null().to_pylist() if known else []
    foreign = [
        name
        for name in names
        if not any(_are_equal(name, base) for base in known)
        and not (len(known) == 1 and _is_convertible(name, *known))
    ]
    return np.asarray(compute.is_in(offsets, pyarrow.array(foreign, pyarrow.string())))


def _is_convertible(offset: str, base: str) -> bool:
    """Return whether times with an offset are converted to another one."""
    if NONE in (offset, base):
        return False
    difference = abs(_minutes(offset) - _minutes(base))
    return difference > (0 if UTC in (offset, base) else DAYLIGHT_SAVING)


def _are_equal(offset: str, base: str) -> bool:
    return offset == base or (NONE not in (offset, base) and _minutes(offset) == _minutes(base))


def _normal(spelling: str | None) -> str | None:
    """Return an offset in its usual spelling."""
    if spelling is None or spelling == NONE:
        return spelling
    parts = _SPELLING.fullmatch(spelling)
    if parts:
        return f"{parts[1]}:{parts[2] or '00'}"
    return "+00:00" if spelling == "GMT" else UTC


def _name(minutes: int | None) -> str | None:
    if minutes is None:
        return None
    hours, minute = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{minute:02}"


def _minutes(name: str) -> int:
    if name == UTC:
        return 0
    sign = -1 if name[0] == "-" else 1
    return sign * (60 * int(name[1:3]) + int(name[4:6]))
