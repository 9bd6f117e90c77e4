"""A typed table, rendered as Markdown, CSV, LaTeX or plain text."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ebmood.results.arms import is_spread_out
from ebmood.results.comparisons import Change, t_interval
from ebmood.results.tables.latex import latex_table

MISSING = "–"
"""Text of an empty cell."""

LONG = 20
"""Reports fold tables with more rows than this."""

SCIENTIFIC_FROM = 1e5
"""Larger numbers are printed with powers of ten; log-densities of flows can be extreme."""

Shape = Literal["text", "number", "spread", "change", "estimate"]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds.

    Attributes:
        mean: the mean.
        sd: the standard deviation; None for a single seed.
        values: the values of the seeds if a reader must see them, since mean and deviation hide two clusters.
    """

    mean: float
    sd: float | None
    values: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: np.ndarray) -> "Spread | None":
        """Return the spread of values over seeds, shape `(seeds,)`; None for an empty array."""
        if len(values) == 0:
            return None
        return cls(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None)

    @classmethod
    def of_metric(cls, values: np.ndarray) -> "Spread | None":
        """Return the spread of a metric in [0, 1]. Values that differ by more than 0.2 are shown one by one."""
        spread = cls.of(values)
        if spread is None or not is_spread_out(values):
            return spread
        return cls(spread.mean, spread.sd, tuple(values.tolist()))


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds and its 95 % Student-t interval; the ends are None for a single seed."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate | None":
        """Return the estimate from values over seeds; None for an empty sequence."""
        return cls(*t_interval(values)) if len(values) else None


Cell = str | int | float | Spread | Change | Estimate | None

_CSV_PARTS: dict[Shape, tuple[str, ...]] = {
    "spread": ("mean", "sd"),
    "change": ("percent", "low", "high"),
    "estimate": ("mean", "low", "high"),
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        key: name in CSV headers: lower case, without blanks.
        title: heading in print.
        shape: `text` (str or int), `number` (float), `spread` (`Spread`), `change` (`Change`) or `estimate`
            (`Estimate`). A cell of any shape may instead be a str that says why there is no number, or None.
        digits: digits after the decimal point.
        signed: whether positive numbers have a plus sign.
    """

    key: str
    title: str
    shape: Shape = "text"
    digits: int = 3
    signed: bool = False

    def text(self, cell: Cell) -> str:
        """Return one cell as plain text."""
        match cell:
            case None | "":
                return MISSING
            case Spread(mean, _, (_, *_) as values):
                return f"{self._number(mean)} ({' '.join(f'{value:.2f}' for value in values)})"
            case Spread(mean, float() as sd):
                return f"{self._number(mean)} ± {sd:.{self.digits}f}"
            case Change(percent=None):
                return cell.reason.split(":")[0] or MISSING  # the marks contain the complete reason
            case Change(percent=float() as percent, low=float() as low, high=float() as high):
                return f"{_percent(percent)} [{_percent(low)}, {_percent(high)}]"
            case Change(percent=float() as percent):
                return _percent(percent)
            case Estimate(mean, float() as low, float() as high):
                return f"{self._number(mean)} [{self._number(low)}, {self._number(high)}]"
            case Spread(mean) | Estimate(mean):
                return self._number(mean)
            case float():
                return self._number(cell)
            case _:
                return str(cell)

    def csv_headers(self) -> list[str]:
        """Return the headers of the CSV columns that this column fills."""
        parts = _CSV_PARTS.get(self.shape)
        return [self.key] if parts is None else [f"{self.key}_{part}" for part in parts]

    def csv_values(self, cell: Cell) -> list[str]:
        """Return one cell in CSV: numbers at full precision, empty if there is no number."""
        parts = _CSV_PARTS.get(self.shape)
        if parts is not None:
            has_parts = isinstance(cell, (Spread, Change, Estimate))
            values = tuple(getattr(cell, part, None) if has_parts else None for part in parts)
        elif self.shape == "number":
            values = (cell if isinstance(cell, (int, float)) else None,)
        else:
            values = (cell,)
        return ["" if value is None else str(value) for value in values]

    def _number(self, value: float) -> str:
        sign = "+" if self.signed else ""
        return f"{value:{sign}.{self.digits}f}" if abs(value) < SCIENTIFIC_FROM else f"{value:{sign}.1e}"


@dataclass(frozen=True)
class Table:
    """A table for files and for the terminal.

    Attributes:
        name: stem of its files.
        title: title in one line.
        columns: the columns.
        rows: rows with one cell per column.
        notes: lines below the table.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: {len(row)} cells for {len(self.columns)} columns: {row}"
                )

    @property
    def is_long(self) -> bool:
        """Whether reports fold this table."""
        return len(self.rows) > LONG

    @property
    def titles(self) -> list[str]:
        """The titles of the columns."""
        return [column.title for column in self.columns]

    def texts(self) -> list[list[str]]:
        """Return every cell as plain text, row by row."""
        return [
            [column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def markdown(self) -> str:
        """Return a GitHub table with its notes below, without the title."""
        if not self.rows:
            return "".join(f"{note}\n" for note in self.notes or ("Nothing to show.",))
        rules = [":--" if column.shape == "text" else "--:" for column in self.columns]
        lines = [self.titles, rules, *self.texts()]
        body = "".join(f"| {' | '.join(_markdown(text) for text in line)} |\n" for line in lines)
        return body + "".join(f"\n{note}\n" for note in self.notes)

    def csv(self) -> str:
        """Return header and rows. A spread fills two columns; a change or an estimate fills three."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([header for column in self.columns for header in column.csv_headers()])
        for row in self.rows:
            cells = zip(self.columns, row, strict=True)
            writer.writerow([value for column, cell in cells for value in column.csv_values(cell)])
        return file.getvalue()

    def latex(self) -> str:
        """Return a floating table for `booktabs`."""
        caption = " ".join((self.title + ".", *self.notes))
        is_text = [column.shape == "text" for column in self.columns]
        return latex_table(self.name, caption, self.titles, self.texts(), is_text)


DATA = Column("data", "data")
RECIPE = (Column("method", "method"), Column("gamma", "γ"), Column("variant", "variant"))
POSITIVE = Column("positive", "positive")
PAIRS = (Column("pairs", "pairs"), Column("marks", "marks"))


def _markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("*", "\\*")


def _percent(percent: float) -> str:
    """Return a signed number with one decimal, two below one per cent, and none from a thousand on."""
    if not math.isfinite(percent):
        return str(percent)
    digits = 2 if abs(percent) < 1 else (1 if abs(percent) < 1000 else 0)
    return f"{percent:+.{digits}f}"
