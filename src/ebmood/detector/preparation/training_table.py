"""Read a training table: decide what its columns hold, and return its features.

Of a table with very many rows, a random sample is used (`ebmood.detector.preparation.row_sample`), so that a table may
be larger than memory.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.core.errors import DataWarning, InputError, warn
from ebmood.core.interface import for_interface
from ebmood.core.words import noun
from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import is_text, read_categories
from ebmood.detector.io.column_names import format_option
from ebmood.detector.io.table_stream import Chunk, TableStream
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.preparation.columns import Features, LeftOut
from ebmood.detector.preparation.decide import decide
from ebmood.detector.preparation.decision import BY_OPTION, Decision
from ebmood.detector.preparation.missing_words import unused_words
from ebmood.detector.preparation.preparation import Preparation
from ebmood.detector.preparation.row_sample import RowSample, cells_per_row, row_limit
from ebmood.detector.progress_callback import ProgressCallback, ignore_progress
from ebmood.detector.validation.rows import MAX_TRAINING_VALUE

LISTED_COLUMNS = 5

MIN_ROWS = 3
"""Rows that every fit needs: two to train, and one to calibrate."""

HOLDS_CLASSES = "holds the classes"
"""Why the label column is left out."""

LAST_ROWS = 3
"""Rows at the end of a table that may hold totals."""

TOTALS = {
    *("total", "totals", "grand total", "subtotal", "sum", "summe", "gesamt", "gesamtsumme", "endsumme"),
    *("total général", "somme", "totale", "totaal", "suma", "total general", "totalt", "yhteensä", "razem"),
}
"""Cells of such a row, in lower case."""

_NO_ROWS = pyarrow.RecordBatch.from_pydict({})


@dataclass(frozen=True)
class Profile:
    """What the columns of a table hold.

    Attributes:
        source: name of the table, for messages.
        rows: number of rows of the table.
        row_numbers: `(N,)` numbers in the table, ascending from 0, of the rows that are used: all, or a random sample.
        decisions: one for each column that the user has not dropped, in the order of the table.
        dropped: names of the columns that the user has dropped, and of the label column.
        missing: further words for missing values, in lower case.
        cells: the cells of the columns by name, `(N,)` each.
        chunks: the number of the first row in the table, and the chunk without its rows, for each chunk.
        bad_rows: what is wrong with rows that could not be read, by their number in the table.
        are_numbers: whether the table is an array of numbers.
        label: name of the label column, if there is one.
    """

    source: str
    rows: int
    row_numbers: NDArray[np.int64]
    decisions: tuple[Decision, ...]
    dropped: tuple[str, ...]
    missing: tuple[str, ...]
    cells: dict[str, pyarrow.Array]
    chunks: tuple[tuple[int, Chunk], ...]
    bad_rows: dict[int, str]
    are_numbers: bool = False
    label: str | None = None

    @property
    def is_too_short(self) -> bool:
        """Whether the table has too few rows for every fit."""
        return self.rows < MIN_ROWS

    def problems(self) -> list[str]:
        """Return one line for each reason why no detector can be fitted on the table."""
        if self.is_too_short:
            rows = f"{self.rows} {noun(self.rows, 'row')}"
            return [
                f"{self.source}: has {rows}, too few to learn from; give {MIN_ROWS} rows or more, as two are "
                "for training and one for calibration"
            ]
        lines = [f"{self._describe_row(row)} {problem}" for row, problem in sorted(self.bad_rows.items())[:1]]
        if len(self.bad_rows) > 1:
            lines[0] += f" ({len(self.bad_rows)} such rows)"
        for decision in self.decisions:
            numbered = ((int(self.row_numbers[row]), problem) for row, problem in decision.problems.items())
            problems = {row: problem for row, problem in numbered if row not in self.bad_rows}
            if problems:
                row = min(problems)
                count = f" ({len(problems)} such cells)" if len(problems) > 1 else ""
                lines.append(
                    f"{self._describe_row(row)}, column {decision.column.name!r}: {problems[row]}{count}"
                )
        if all(isinstance(decision.column, LeftOut) for decision in self.decisions):
            reasons = [
                f"{decision.column.name!r} ({decision.kind})" for decision in self.decisions[:LISTED_COLUMNS]
            ]
            more = ", ..." if len(self.decisions) > LISTED_COLUMNS else ""
            lines.append(f"{self.source}: no column is left to learn from: {', '.join(reasons)}{more}")
        return lines

    def doubts(self) -> tuple[str, ...]:
        """Return one line for each guess about a column, or suspicion, that a user may want to correct."""
        return tuple(
            f"column {decision.column.name!r}: {doubt}"
            for decision in self.decisions
            for doubt in decision.doubts
        )

    def preparation(self) -> Preparation:
        """Return how the columns become features.

        Raises:
            InputError: the table cannot be learned from.
        """
        problems = self.problems()
        if self.is_too_short:
            raise InputError(problems[0])
        if problems:
            others = len(problems) - 1
            columns = "one more column has" if others == 1 else f"{others} more columns have"
            more = f"; {columns} odd cells" if others else ""
            missing, drop = for_interface("--missing", "missing="), for_interface("--drop", "drop=")
            hint = f"correct the table, name words for missing values with {missing}, or leave columns out with {drop}"
            raise InputError(f"{problems[0]}{more}; {hint} (`ebmood check` shows all columns)")
        columns = [decision.column for decision in self.decisions]
        read = [column for column in columns if not isinstance(column, LeftOut)]
        features = Counter(feature for column in read for feature in column.features)
        repeated = next((feature for feature, count in features.items() if count > 1), None)
        if repeated is not None:
            raise InputError(f"{self.source}: two features are called {repeated!r}; rename a column")
        dropped = tuple(
            LeftOut(name=name, reason=HOLDS_CLASSES if name == self.label else f"dropped {BY_OPTION}")
            for name in self.dropped
        )
        return Preparation(
            columns=tuple(read),
            left_out=(*(column for column in columns if isinstance(column, LeftOut)), *dropped),
            missing=self.missing,
        )

    def features(self, preparation: Preparation) -> Features:
        """Return the features of the rows that are used.

        Raises:
            InputError: a value is too large.
        """
        features: Features = {}
        for column in preparation.columns:
            reading = column.read(self.cells[column.name], preparation.missing)
            for cells in reading.features.values():
                if not isinstance(cells, np.ndarray):
                    continue
                too_large = np.abs(cells) > MAX_TRAINING_VALUE
                if too_large.any():
                    row = int(too_large.argmax())
                    raise InputError(
                        f"{self._describe_used(row)}, column {column.name!r}: {cells[row]:.3g} is too large to fit "
                        f"(over {MAX_TRAINING_VALUE:g}); remove the row, or the column with "
                        f"{format_option('--drop', column.name)}"
                    )
            features |= reading.features
        return features

    def classes(self, column: str) -> np.ndarray:
        """Return the class of each row that is used, `(N,)`.

        Raises:
            InputError: a class is missing.
        """
        names = read_categories(self.cells[column]).values.to_pylist()
        if None in names:
            raise InputError(
                f"{self._describe_used(names.index(None))}, column {column!r}: the class is missing; remove the row"
            )
        return np.array(names)

    def _describe_used(self, row: int) -> str:
        """Return the name of a row by its position among the rows that are used."""
        return self._describe_row(int(self.row_numbers[row]))

    def _describe_row(self, row: int) -> str:
        """Return the name of a row by its number in the table."""
        return _describe_row(self.chunks, row)


def _describe_row(chunks: Sequence[tuple[int, Chunk]], row: int) -> str:
    """Return the name of a row by its number in the table, from the first rows of its chunks."""
    first, chunk = max((start for start in chunks if start[0] <= row), key=lambda start: start[0])
    return chunk.describe_row(row - first)


def read_profile(
    table: TableStream, choices: Choices, progress: ProgressCallback = ignore_progress
) -> Profile:
    """Read a whole table, and decide what its columns hold from all rows, or from a random sample if there are many.

    Args:
        table: the table.
        choices: what the user sets about its columns.
        progress: called with the progress of reading.

    Raises:
        InputError: a choice matches no column, or no column is left.
        EbmoodError: the table cannot be read.

    Warns:
        DataWarning: only a sample of the rows is used, one of the last rows seems to hold totals, or no cell holds a
            word for missing values.
    """
    source, words = table.source, choices.missing
    choices = choices.resolve(table.names, source)
    labels = choices.label_columns(table.names, source)
    if len(labels) > 1:
        option = for_interface("--label-column", "label_column=")
        raise InputError(f"{source}: name one column of classes with {option}")
    read = [name for name in table.names if name not in choices.drop or name in labels]
    if not set(read) - set(labels):
        raise InputError(f"{source}: no column is left to learn from; leave out fewer columns")
    text_features = len(choices.texts) * choices.embedder.dimension if choices.embedder else 0
    sample = RowSample(read, row_limit(len(read) + text_features))
    chunks, bad_rows = [], {}
    for chunk in table.chunks(read):
        # A slice of the rows would keep all of them in memory.
        chunks.append((sample.seen, Chunk(chunk.source, chunk.first_row, _NO_ROWS)))
        sample.lower_limit(row_limit(cells_per_row(chunk.rows) + text_features))
        bad_rows |= {sample.seen + row: problem for row, problem in chunk.errors.items()}
        sample.add(chunk.rows)
        progress("reading", table.fraction)
    progress("looking at the columns", None)
    numbers = sample.row_numbers()
    columns = {name: sample.take_column(name) for name in read}
    if len(numbers) < sample.seen:
        warn(
            f"{source}: has {sample.seen:,} rows; a random sample of {len(numbers):,} of them is used",
            DataWarning,
        )
    else:
        _warn_about_totals(source, columns, sample.seen)
        for word in unused_words(columns.values(), words):
            option = for_interface(f"--missing {word}", f"missing=[{word!r}]")
            warn(f"{source}: {option}: no cell that is read holds it; check its spelling", DataWarning)
    features = {name: cells for name, cells in columns.items() if name not in labels}

    def name_row(row: int) -> str:
        return _describe_row(chunks, int(numbers[row])).removeprefix(f"{source}: ")

    decisions = decide(features, choices, table.delimiter, table.are_numbers, name_row)
    return Profile(
        source,
        sample.seen,
        numbers,
        tuple(decisions),
        tuple(choices.drop),
        tuple(choices.missing),
        columns,
        tuple(chunks),
        bad_rows,
        table.are_numbers,
        next(iter(labels), None),
    )


def _warn_about_totals(source: str, columns: dict[str, pyarrow.Array], rows: int) -> None:
    """Warn if one of the last rows seems to hold totals."""
    texts = [cells for cells in columns.values() if is_text(cells.type)]
    for row in range(max(0, rows - LAST_ROWS), rows):
        for cells in texts:
            word = str(cells[row].as_py()).strip(" :").lower()
            if word not in TOTALS or compute.sum(compute.equal(cells, cells[row])).as_py() > 1:
                continue
            warn(
                f"{source}: row {row + 1} of {rows} seems to hold totals ({word!r}) and is learned like the others; "
                "remove it",
                DataWarning,
            )
            return
