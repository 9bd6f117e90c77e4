"""Note what is unusual about the rows of a chunk: missing values, unknown values, and constants that changed."""

from collections.abc import Mapping

import numpy as np
import pyarrow
from numpy.typing import NDArray

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.categories import level_numbers
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.table_stream import Chunk
from ebmood.detector.preparation import DateColumn, NumberColumn, Preparation, Reading
from ebmood.detector.raw.batch_notes import BatchNotes
from ebmood.detector.score_batch import ScoreBatch


def count_rows(notes: BatchNotes, chunk: Chunk, errors: Mapping[int, str]) -> None:
    """Add the number of rows of a chunk, and its bad rows, to the notes about a table.

    Args:
        notes: the notes.
        chunk: the chunk.
        errors: what is wrong with bad rows, by their number in the chunk.
    """
    notes.rows += chunk.rows.num_rows
    notes.add_bad([f"{chunk.describe_row(row)}, {errors[row]}" for row in sorted(errors)])


def note_rows(
    notes: BatchNotes,
    preparation: Preparation,
    estimator: EnergyDetector,
    reading: Reading,
    chunk: Chunk,
    batch: ScoreBatch,
) -> None:
    """Add what is unusual about the rows of a chunk to the notes about a table.

    Args:
        notes: the notes, to which `count_rows` has added the chunk.
        preparation: how columns become features.
        estimator: the fitted detector.
        reading: the features of the chunk.
        chunk: the chunk, which may also hold columns that are not read.
        batch: the results for it.
    """
    notes.flagged += int(batch.flags.sum())
    good = np.ones(len(batch.scores), dtype=bool)
    good[list(reading.errors)] = False
    gaps = set(estimator.model_.layout.table.gaps)
    columns = [column.name for column in preparation.columns for _ in column.features]
    new_gaps: dict[str, NDArray[np.bool_]] = {}
    for number, (name, values) in enumerate(reading.features.items()):
        if not isinstance(values, np.ndarray):
            missing = np.asarray(values.is_null())
            levels = list(level_numbers(estimator.levels_[number]))
            known = pyarrow.array(levels, pyarrow.string())
            unseen = ~np.asarray(compute.is_in(values, known))
            notes.add_spellings(name, values.filter(pyarrow.array(unseen & ~missing & good)), levels)
        else:
            missing = np.isnan(values)
        if number not in gaps and (missing & good).any():
            earlier = new_gaps.get(columns[number])
            new_gaps[columns[number]] = missing & good if earlier is None else earlier | (missing & good)
    for name, rows in new_gaps.items():
        notes.new_gaps[name] += int(rows.sum())
    for column in preparation.columns:
        if isinstance(column, NumberColumn) and column.grew_to is not None:
            beyond = int((reading.features[column.name][good] > column.grew_to).sum())
            if beyond:
                notes.beyond[column.name] += beyond
        if isinstance(column, DateColumn):
            offsets = column.foreign_offsets(chunk.rows.column(column.name), preparation.missing)
            if len(offsets):
                notes.add_values(notes.new_offsets, column.name, offsets)
                notes.known_offsets[column.name] = column.offsets
    for left_out in preparation.constants:
        if left_out.name in chunk.rows.schema.names:
            cells = chunk.rows.column(left_out.name)
            notes.add_values(notes.moved, left_out.name, left_out.changed(cells, preparation.missing))
