"""Write the names of many columns in a short line: `x0..x767`."""

import re
from collections.abc import Sequence

MIN_RANGE = 3
"""Columns with consecutive numbers that are written as a range, at least."""

_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,9})(\]?)", re.DOTALL)


def join_columns(names: Sequence[str], limit: int | None = None) -> str:
    """Return names in one line, with ranges as in `column_ranges`.

    >>> join_columns(["x0", "x2", "x4", "x6"], 2)
    'x0, x2 and 2 more'

    Args:
        names: names of columns.
        limit: names and ranges that are written at most; None for all.
    """
    runs = _runs(names)
    shown = runs if limit is None else runs[:limit]
    hidden = len(names) - sum(map(len, shown))
    return ", ".join(map(_describe, shown)) + (f" and {hidden} more" if hidden else "")


def column_ranges(names: Sequence[str]) -> list[str]:
    """Return names, with a range for those that end with consecutive numbers after the same word.

    >>> column_ranges(["flow", "x0", "x1", "x2", "x5", "x6", "e[0]", "e[1]", "e[2]"])
    ['flow', 'x0..x2', 'x5', 'x6', 'e[0]..e[2]']
    """
    return [_describe(run) for run in _runs(names)]


def _describe(run: Sequence[str]) -> str:
    return run[0] if len(run) == 1 else f"{run[0]}..{run[-1]}"


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Return the names of each range, and each name outside of one."""
    runs: list[list[str]] = []
    expected = None
    for name in names:
        if runs and name == expected:
            runs[-1].append(name)
        else:
            runs.append([name])
        match = _NUMBERED.fullmatch(name)
        expected = f"{match[1]}{int(match[2]) + 1}{match[3]}" if match else None
    return [part for run in runs for part in ([run] if len(run) >= MIN_RANGE else [[name] for name in run])]
