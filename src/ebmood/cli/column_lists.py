"""Write the names of many columns in a short line: `x0..x767`."""

import re
from collections.abc import Sequence

MIN_RUN = 3
"""Columns with consecutive numbers that are written as one range, at least."""


def join_columns(names: Sequence[str], limit: int | None = None) -> str:
    """Return names in one line. Consecutive numbers after the same word are a range.

    >>> join_columns(["flow", "x0", "x1", "x2", "x5", "e[0]", "e[1]", "e[2]"])
    'flow, x0..x2, x5, e[0]..e[2]'
    >>> join_columns(["x0", "x2", "x4", "x6"], 2)
    'x0, x2 and 2 more'

    Args:
        names: names of columns.
        limit: names and ranges that are written at most; None for all.
    """
    runs = _runs(names)
    shown = runs if limit is None else runs[:limit]
    texts = [part for run in shown for part in ([f"{run[0]}..{run[-1]}"] if len(run) >= MIN_RUN else run)]
    hidden = len(names) - sum(map(len, shown))
    return ", ".join(texts) + (f" and {hidden} more" if hidden else "")


def _runs(names: Sequence[str]) -> list[list[str]]:
    """Return names in lists, one for each range of numbers, and one for each name outside of a range."""
    runs: list[list[str]] = []
    expected = None
    for name in names:
        match = re.fullmatch(r"(.*?)(0|[1-9][0-9]*)(\]?)", name, re.DOTALL)
        if match and name == expected:
            runs[-1].append(name)
        else:
            if runs and 1 < len(runs[-1]) < MIN_RUN:
                runs[-1:] = [[single] for single in runs[-1]]
            runs.append([name])
        expected = f"{match[1]}{int(match[2]) + 1}{match[3]}" if match and len(match[2]) < 10 else None
    if runs and 1 < len(runs[-1]) < MIN_RUN:
        runs[-1:] = [[single] for single in runs[-1]]
    return runs
