"""What a user says about the columns of a table, by name or pattern."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ebmood.core.errors import InputError
from ebmood.detector.io.column_names import format_option, match_columns
from ebmood.detector.preparation.decision import Overrides


@dataclass(frozen=True)
class Choices:
    """What a user says about the columns of a table. Each entry is a name, or a pattern such as `id_*`.

    Attributes:
        drop: columns to leave out.
        numbers: columns to read as numbers.
        categories: columns to read as categories.
        dates: columns to read as dates.
        missing: further words for missing values.
        label_column: the class of each row, which is not a feature.
    """

    drop: Sequence[str] = ()
    numbers: Sequence[str] = ()
    categories: Sequence[str] = ()
    dates: Sequence[str] = ()
    missing: Sequence[str] = ()
    label_column: str | None = None

    def resolve(self, names: Sequence[str], source: str) -> tuple[tuple[str, ...], Overrides]:
        """Return the names of columns that are left out, and the decisions about the others.

        A name decides before a pattern, and among patterns `--drop` decides first, then `--category` and `--date`.

        Raises:
            InputError: a name or pattern matches no column, or a column is named twice.
        """
        options = {
            "--drop": self.drop,
            "--category": self.categories,
            "--date": self.dates,
            "--number": self.numbers,
        }
        chosen: dict[str, str] = {}
        for option, entries in options.items():
            for name in (entry for entry in entries if entry in names):
                if chosen.setdefault(name, option) != option:
                    raise InputError(
                        f"{source}: {format_option(chosen[name], name)} and {format_option(option, name)} contradict "
                        "each other; give one of them"
                    )
        for option, entries in options.items():
            for name in match_columns(entries, names, source, option):
                chosen.setdefault(name, option)
        labels = [] if self.label_column is None else [self.label_column]
        for name in match_columns(labels, names, source, "--label-column"):
            chosen[name] = "--drop"

        def columns(option: str) -> Iterable[str]:
            return (name for name in names if chosen.get(name) == option)

        overrides = Overrides(
            numbers=frozenset(columns("--number")),
            categories=frozenset(columns("--category")),
            dates=frozenset(columns("--date")),
            missing=tuple(word.strip().lower() for word in self.missing),
        )
        return tuple(columns("--drop")), overrides


AUTOMATIC = Choices()
"""The values of a column decide what it holds."""
