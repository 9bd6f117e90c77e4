"""Select columns by name or pattern, and write options of the command line for error messages."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ebmood.core.errors import InputError


def match_columns(patterns: Iterable[str], names: Sequence[str], source: str, option: str) -> list[str]:
    """Return the columns that an option selects, in the order of the table.

    >>> match_columns(["id_*", "flow"], ["flow", "id_a", "id_b", "site"], "pumps.csv", "--drop")
    ['flow', 'id_a', 'id_b']

    Args:
        patterns: each a column name or a pattern such as `id_*`.
        names: all columns of the table.
        source: name of the table, for messages.
        option: name of the option, for messages.

    Raises:
        InputError: no column matches a pattern.
    """
    selected: set[str] = set()
    for pattern in patterns:
        matches = [name for name in names if name == pattern] or [n for n in names if fnmatchcase(n, pattern)]
        if not matches:
            similar = get_close_matches(pattern, names, n=3)
            hint = (
                f"similar columns: {_join(similar)}" if similar else f"existing columns: {_join(names[:8])}"
            )
            raise InputError(f"{source}: {option} {pattern}: no such column; {hint}")
        selected.update(matches)
    return [name for name in names if name in selected]


def format_option(option: str, column: str) -> str:
    """Return an option with a column name as it is typed in a shell.

    >>> format_option("--drop", "id"), format_option("--drop", "mean area")
    ('--drop id', "--drop 'mean area'")
    """
    needs_no_quotes = re.fullmatch(r"[\w.:=+@%/-]+", column)
    return f"{option} {column}" if needs_no_quotes else f"{option} {column!r}"


def _join(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
