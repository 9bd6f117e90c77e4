"""Select columns by name or pattern, and write options of the command line for error messages."""

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface

_PARAMETERS = {
    "--category": "categories",
    "--date": "dates",
    "--drop": "drop",
    "--keep": "keep",
    "--label-column": "label_column",
    "--number": "numbers",
    "--segment": "segment",
    "--text": "texts",
    "--time": "time_column",
}
"""The parameters of `TableDetector` that options set."""


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
            selection = for_interface(f"{option} {pattern}", f"{_PARAMETERS[option]}={pattern!r}")
            raise InputError(f"{source}: {selection}: no such column; {hint}")
        selected.update(matches)
    return [name for name in names if name in selected]


def format_option(option: str, column: str) -> str:
    """Return an option with a column name as it is typed in a shell, or what replaces it in Python.

    >>> format_option("--drop", "id"), format_option("--category", "site")
    ("X.drop(columns=['id'])", "categories=['site']")
    >>> from ebmood.core.interface import shell_messages
    >>> with shell_messages():
    ...     format_option("--drop", "id"), format_option("--drop", "mean area")
    ('--drop id', "--drop 'mean area'")
    """
    in_python = (
        f"X.drop(columns=[{column!r}])" if option == "--drop" else f"{_PARAMETERS[option]}=[{column!r}]"
    )
    return for_interface(f"{option} {shlex.quote(column)}", in_python)


def array_column_names(width: int) -> tuple[str, ...]:
    """Return the names of the columns of an array.

    >>> array_column_names(3)
    ('x0', 'x1', 'x2')
    """
    return tuple(f"x{column}" for column in range(width))


def are_array_columns(names: Iterable[str]) -> bool:
    """Return whether all names are names of columns of an array."""
    return all(re.fullmatch("x(?:0|[1-9][0-9]*)", name) for name in names)


def leave_out(column: str | int) -> str:
    """Return how to leave out a column of X: by its name, or by its position if it has none.

    >>> leave_out("id"), leave_out(3)
    ("X.drop(columns=['id'])", 'np.delete(X, 3, axis=1)')
    """
    return format_option("--drop", column) if isinstance(column, str) else f"np.delete(X, {column}, axis=1)"


def _join(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
