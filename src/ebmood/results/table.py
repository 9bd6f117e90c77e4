"""One plain typed table, and its renderings in Markdown, CSV and LaTeX."""

import csv
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ebmood.results.comparisons import Change, t_interval

NOTHING = "–"

Shape = Literal["text", "number", "spread", "change", "estimate"]


@dataclass(frozen=True)
class Spread:
    """Mean and standard deviation over seeds; `sd` is None for a single seed."""

    mean: float
    sd: float | None

    @classmethod
    def of(cls, values: np.ndarray) -> "Spread | None":
        """The spread of values over seeds, shape `(seeds,)`; None where there are none."""
        if len(values) == 0:
            return None
        return cls(float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else None)


@dataclass(frozen=True)
class Estimate:
    """Mean over seeds and its 95 % Student-t interval; the ends are None for a single seed."""

    mean: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> "Estimate | None":
        """The estimate from values over seeds; None where there are none."""
        return cls(*t_interval(values)) if len(values) else None


Cell = str | int | float | Spread | Change | Estimate | None


MANY = 1e5
"""From here on numbers are printed as powers of ten: some log-densities of flows leave all proportion."""


@dataclass(frozen=True)
class Column:
    """What stands in one column.

    Attributes:
        key: name in CSV headers: lower case, no blanks.
        title: heading in print.
        shape: `text` (str or int), `number` (float), `spread` (`Spread`), `change` (`Change`) or `estimate`
            (`Estimate`). A cell of any shape may instead be a str that says why there is no number, or None.
        digits: digits after the decimal point.
        signed: write a plus sign before positive numbers.
    """

    key: str
    title: str
    shape: Shape = "text"
    digits: int = 3
    signed: bool = False

    def text(self, cell: Cell) -> str:
        """One cell in print."""
        match cell:
            case None | "":
                return NOTHING
            case Spread(mean, None):
                return self._number(mean)
            case Spread(mean, float() as sd):
                return f"{self._number(mean)} ± {sd:.{self.digits}f}"
            case Change(percent=None):
                return cell.why.split(":")[0] or NOTHING  # the whole of it stands among the marks
            case Change(percent=float() as percent, low=float() as low, high=float() as high):
                return f"{_signed(percent)} [{_signed(low)}, {_signed(high)}]"
            case Change(percent=float() as percent):
                return _signed(percent)
            case Estimate(mean, float() as low, float() as high):
                return f"{self._number(mean)} [{self._number(low)}, {self._number(high)}]"
            case Estimate(mean):
                return self._number(mean)
            case float():
                return self._number(cell)
            case _:
                return str(cell)

    def csv_headers(self) -> list[str]:
        """The CSV columns that this column fills."""
        every = {
            "spread": ["mean", "sd"],
            "change": ["percent", "low", "high"],
            "estimate": ["mean", "low", "high"],
        }
        parts = every.get(self.shape)
        return [self.key] if parts is None else [f"{self.key}_{part}" for part in parts]

    def csv_values(self, cell: Cell) -> list[str]:
        """One cell in CSV: numbers at full precision, empty where there is none."""
        match self.shape:
            case "spread":
                values = (cell.mean, cell.sd) if isinstance(cell, Spread) else (None, None)
            case "change":
                values = (cell.percent, cell.low, cell.high) if isinstance(cell, Change) else (None,) * 3
            case "estimate":
                values = (cell.mean, cell.low, cell.high) if isinstance(cell, Estimate) else (None,) * 3
            case "number":
                values = (cell if isinstance(cell, (int, float)) else None,)
            case _:
                values = (cell,)
        return ["" if value is None else str(value) for value in values]

    def _number(self, value: float) -> str:
        sign = "+" if self.signed else ""
        return f"{value:{sign}.{self.digits}f}" if abs(value) < MANY else f"{value:{sign}.1e}"


@dataclass(frozen=True)
class Table:
    """A table in print: the same object for files and for the terminal.

    Attributes:
        name: stem of its files.
        title: one line.
        columns: what stands in each column.
        rows: one cell for each column.
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

    def texts(self) -> list[list[str]]:
        """Every cell in print, row by row, without any markup."""
        return [
            [column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def markdown(self) -> str:
        """A GitHub table with its notes below; the title is left to the caller."""
        if not self.rows:
            return "".join(f"{note}\n" for note in self.notes or ("Nothing to show.",))
        rules = [":--" if column.shape == "text" else "--:" for column in self.columns]
        lines = [[column.title for column in self.columns], rules, *self.texts()]
        body = "".join(f"| {' | '.join(_markdown(text) for text in line)} |\n" for line in lines)
        return body + "".join(f"\n{note}\n" for note in self.notes)

    def csv(self) -> str:
        """Header and rows; a spread fills two columns, a change or an estimate three, at full precision."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([header for column in self.columns for header in column.csv_headers()])
        for row in self.rows:
            cells = zip(self.columns, row, strict=True)
            writer.writerow([value for column, cell in cells for value in column.csv_values(cell)])
        return file.getvalue()

    def latex(self) -> str:
        """A floating table for `booktabs`; special characters are escaped, so it compiles as it stands.

        One that is larger than a page of an article is made smaller, so that nothing of it is cut off.
        """
        texts = [[column.title for column in self.columns], *self.texts()]
        smaller = _smaller(texts)
        alignment = "".join("l" if column.shape == "text" else "r" for column in self.columns)
        lines = [
            r"% \usepackage{booktabs}" + (r" \usepackage{graphicx}" if smaller else ""),
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(' '.join((self.title + '.', *self.notes)))}}}",
            rf"\label{{tab:{self.name}}}",
            *([smaller + "{%"] if smaller else []),
            rf"\begin{{tabular}}{{{alignment}}}",
            r"\toprule",
            _latex_row(texts[0]),
            r"\midrule",
            *map(_latex_row, texts[1:]),
            r"\bottomrule",
            r"\end{tabular}" + ("}" if smaller else ""),
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


DATA = Column("data", "data")
RECIPE = (Column("method", "method"), Column("gamma", "γ"), Column("variant", "variant"))
POSITIVE = Column("positive", "positive")
PAIRS = (Column("pairs", "pairs"), Column("marks", "marks"))


def gamma_text(gamma: float | None) -> str:
    """A weight of the cross-entropy in a cell; `none` without labels."""
    return "none" if gamma is None else f"{gamma:g}"


def joined(marks: Sequence[str]) -> str:
    """Marks in one cell."""
    return "; ".join(marks)


def slug(label: str) -> str:
    """A label as part of a file name: lower case, hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-") or "unnamed"


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "γ": r"$\gamma$",
    "–": "--",
    "`": r"\textasciigrave{}",
}
_NUMBER_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")


def latex_escape(text: str) -> str:
    """Plain text as LaTeX: special characters escaped, and a minus before a number set as one.

    A bracket is braced, because `[` after the end of a row would be read as that row's spacing.
    """
    marked = _NUMBER_MINUS.sub("\0", text)
    return "".join(_LATEX.get(character, character) for character in marked).replace("\0", "$-$")


def _smaller(texts: Sequence[Sequence[str]]) -> str:
    """What brings a table to the size of an article's page; empty where it is no larger."""
    # In points, at ten points a letter: 345 x 550 is the text of an article, less 50 for the caption.
    columns = zip(*texts, strict=True)
    wide = sum(5.0 * max(map(len, column)) + 12.0 for column in columns) / 345.0
    high = 12.0 * len(texts) / 500.0
    if max(wide, high) <= 1.0:
        return ""
    return r"\resizebox{\linewidth}{!}" if wide >= high else r"\resizebox{!}{0.9\textheight}"


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(latex_escape(text) for text in texts) + r" \\"


def _markdown(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("*", "\\*")


def _signed(percent: float) -> str:
    """One digit after the point, two below one per cent, none from a thousand on."""
    if not math.isfinite(percent):
        return str(percent)
    digits = 2 if abs(percent) < 1 else (1 if abs(percent) < 1000 else 0)
    return f"{percent:+.{digits}f}"
