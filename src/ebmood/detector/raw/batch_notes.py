"""What is unusual about the rows of a table as a whole: missing values, values and features that explain its alarms."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.errors import InputError
from ebmood.core.interface import for_interface

Floats = NDArray[np.float64]
T = TypeVar("T")

LISTED = 5
"""Entries of each kind in the notes for people."""

MAX_VALUES = 10_000
"""Different values that are counted one by one."""

MANY_ALARMS = 3.0
"""Multiple of the expected share of flagged rows above which the notes name the column that explains most of them."""

EXPLAINED_SCORES = 20_000
"""Scores that are computed to explain the alarms of a table."""


@dataclass
class BatchNotes:
    """What is unusual about the rows of a table as a whole.

    Attributes:
        rows: number of rows.
        flagged: number of rows that are flagged.
        bad: what is wrong with bad rows, for the first of them.
        bad_rows: number of bad rows.
        new_gaps: for each column without missing values in the training rows, the number of rows with one.
        unseen: number of cells of each column and value that no training row has.
        spellings: for each column and value that no training row has, a value of the training rows that differs only in
            zeros at the start, or in upper and lower case.
        moved: for each column with one value in the training rows, that value, and the number of cells with another.
        beyond: for each column that only grew in the training rows, the number of cells above its last value.
        new_offsets: for each column of times and offset from UTC that no training row has, the number of cells whose
            local clock is read.
        known_offsets: for each of these columns, the offsets of the training rows.
        leading: for each column, the number of examined rows that it explains best.
        explained: for each column, the number of examined rows that would not be flagged with a usual value of it.
        looked_at: number of examined rows: all flagged rows, or a random sample of them.
        training_rows: number of rows that equal training rows, if these are more than by chance, else 0.
    """

    rows: int = 0
    flagged: int = 0
    bad: list[str] = field(default_factory=list)
    bad_rows: int = 0
    new_gaps: Counter[str] = field(default_factory=Counter)
    unseen: Counter[tuple[str, str]] = field(default_factory=Counter)
    spellings: dict[tuple[str, str], str] = field(default_factory=dict)
    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    beyond: Counter[str] = field(default_factory=Counter)
    new_offsets: Counter[tuple[str, str]] = field(default_factory=Counter)
    known_offsets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    leading: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    looked_at: int = 0
    training_rows: int = 0

    def add_bad(self, lines: list[str]) -> None:
        """Add bad rows, one line for each."""
        self.bad_rows += len(lines)
        self.bad += lines[: LISTED - len(self.bad)]

    def add_values(self, counter: Counter[tuple[str, str]], column: str, values: pyarrow.Array) -> None:
        """Add cells to `unseen` or `moved`."""
        counts = values.drop_null().value_counts()
        for entry in counts.to_pylist():
            key = column, str(entry["values"])
            if key not in counter and len(counter) >= MAX_VALUES:
                key = column, "other values"
            counter[key] += entry["counts"]

    def add_spellings(self, column: str, values: pyarrow.Array, levels: Collection[str]) -> None:
        """Add cells to `unseen`, and compare their spellings with those of the training rows.

        >>> notes = BatchNotes()
        >>> notes.add_spellings("code", pyarrow.array(["7", "oslo", "8"]), ["007", "Oslo"])
        >>> notes.spellings
        {('code', '7'): '007', ('code', 'oslo'): 'Oslo'}
        """
        self.add_values(self.unseen, column, values)
        known = {_spelling(level): level for level in levels}
        for value in values.drop_null().unique().to_pylist()[:MAX_VALUES]:
            level = known.get(_spelling(value))
            if level is not None and (column, value) in self.unseen:
                self.spellings[column, value] = level

    def add_explanations(self, columns: list[str], gains: Floats, shortfall: Floats) -> None:
        """Add examined rows.

        Args:
            columns: names of K columns.
            gains: `(N, K)`, by how much the score rises with a usual value of a column.
            shortfall: `(N,)`, by how much the score is below the threshold.
        """
        self.looked_at += len(gains)
        self.leading.update(columns[k] for k in gains.argmax(axis=1))
        for k, count in enumerate((gains >= shortfall[:, None]).sum(axis=0).tolist()):
            self.explained[columns[k]] += count

    def check_bad_rows(self, source: str, max_bad: float) -> None:
        """Refuse a table with too many bad rows.

        Args:
            source: name of the table.
            max_bad: largest fraction of bad rows. If it is positive, one bad row is always allowed.

        Raises:
            InputError: there are more.
        """
        if self.bad_rows > (max(1, max_bad * self.rows) if max_bad else 0):
            option = for_interface("--max-bad", "max_bad=")
            if self.bad_rows == self.rows:
                decimal = re.search(r"have (decimal \w+)", self.bad[0])
                advice = f"with {decimal[1]}, as" if decimal else "in the same format as"
                raise InputError(
                    f"{source}: none of {self.rows} rows can be read; the first: {self.bad[0]}; write this table "
                    f"{advice} the training table"
                )
            raise InputError(
                f"{source}: {self.bad_rows} of {self.rows} rows cannot be read, more than {max_bad:g} of them; the "
                f"first: {self.bad[0]}; correct them, or allow more with {option}"
            )

    def lines(self, expected: float) -> list[str]:
        """Return the notes for people, one line for each kind.

        Args:
            expected: expected share of flagged rows.
        """
        lines = [f"bad rows, without a score: {self.bad_rows}; the first: {self.bad[0]}"] if self.bad else []
        lines += self.lines_about_training_rows()
        if self.new_gaps:
            lines.append(f"missing, and never in the training rows: {_join(self.new_gaps)}")
        if self.unseen:
            lines.append(f"values that no training row has: {_join(_by_cell(self.unseen))}")
        if self.spellings:
            pairs = Counter[str]()
            for (column, value), level in self.spellings.items():
                pairs[f"{column} = {value[:40]!r} for {level[:40]!r}"] += self.unseen[column, value]
            zeros = any(len(value) != len(level) for (_, value), level in self.spellings.items())
            advice = "; write codes as text, as programs drop zeros at the start of numbers" if zeros else ""
            lines.append(f"written in another way than in the training rows: {_join(pairs)}{advice}")
        if self.moved:
            lines.append(
                f"not read, but constant in the training rows and different now: {_join(_by_cell(self.moved))}"
            )
        if self.beyond:
            lines.append(f"only grew in the training rows, and lies beyond them: {_join(self.beyond)}")
        if self.new_offsets:
            offsets = Counter[str]()
            for (column, offset), count in self.new_offsets.items():
                known = " and ".join(self.known_offsets.get(column, ()))
                offsets[f"{column} = {offset}, in the training rows {known}"] += count
            lines.append(f"another offset of times, whose local clock is read: {_join(offsets)}")
        if self.looked_at and self.leading:
            share = self.flagged / max(1, self.rows)
            lines.append(
                f"columns that explain flagged rows best, among {self.looked_at} examined: {_join(self.leading)}"
            )
            column, count = max(self.explained.items(), key=lambda item: item[1], default=("", 0))
            if share > MANY_ALARMS * expected and count:
                lines.append(
                    f"{share:.0%} of the rows are flagged, {expected:.0%} are expected; with a usual value of "
                    f"{column!r}, {count / self.looked_at:.0%} of the flagged rows would not be flagged"
                )
        return lines

    def lines_about_training_rows(self) -> list[str]:
        """Return a line if rows are training rows, else none."""
        if not self.training_rows:
            return []
        fraction = self.training_rows / max(1, self.rows)
        return [
            f"{fraction:.0%} of the rows equal training rows, whose scores are higher than those of other rows, so "
            "that fewer of them are flagged"
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the notes as JSON values."""
        return {
            "bad_rows": self.bad_rows,
            "bad": self.bad,
            "new_gaps": dict(self.new_gaps),
            "unseen": _nested(self.unseen.most_common()),
            "spellings": _nested(self.spellings.items()),
            "moved": _nested(self.moved.most_common()),
            "beyond": dict(self.beyond),
            "new_offsets": _nested(self.new_offsets.most_common()),
            "leading": dict(self.leading.most_common()),
            "explained": {name: count for name, count in self.explained.most_common() if count},
            "looked_at": self.looked_at,
            "training_rows": self.training_rows,
        }


def _join(counts: Counter[str]) -> str:
    parts = [f"{name} ({count})" for name, count in counts.most_common(LISTED)]
    return ", ".join(parts) + (f" and {len(counts) - LISTED} more" if len(counts) > LISTED else "")


def _by_cell(counts: Counter[tuple[str, str]]) -> Counter[str]:
    by_text = Counter[str]()
    for (column, value), count in counts.items():
        by_text[f"{column} = {value[:40]!r}"] += count
    return by_text


def _spelling(value: str) -> str:
    """Return a value without its case and without zeros at its start. Spellings of one value become equal."""
    return value.casefold().lstrip("0") or "0"


def _nested(pairs: Iterable[tuple[tuple[str, str], T]]) -> dict[str, dict[str, T]]:
    """Return entries by column and value as a dictionary of dictionaries."""
    result: dict[str, dict[str, T]] = {}
    for (column, value), entry in pairs:
        result.setdefault(column, {})[value] = entry
    return result
