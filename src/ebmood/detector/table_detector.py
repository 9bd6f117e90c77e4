"""A detector of tables as they lie on the disk: a preparation and an `EnergyDetector`, used as one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import ValidationError

from ebmood.core import calibration as conformal
from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector.estimator import EnergyDetector
from ebmood.detector.io.arrays import HUGEST
from ebmood.detector.io.cell_values import categories, option
from ebmood.detector.io.table_stream import Piece, TableStream
from ebmood.detector.parameters import device_of, seed_of, split_rows
from ebmood.detector.persistence.load import load
from ebmood.detector.preparation import Preparation, Raw, fit_preparation, named, read_columns

NOTE = "preparation"
"""What the preparation is called among the notes of a saved detector."""

Floats = NDArray[np.float64]
Watch = Callable[[str, float | None], None]
"""Told what goes on, and how far that is: 0 to 1, or None where nobody knows."""


@dataclass(frozen=True)
class Scored:
    """Some rows and what the detector says of them.

    Attributes:
        kept: the columns that were asked for, as they were.
        scores: `(N,)`, higher is more in-distribution.
        p_values: `(N,)`.
        flags: `(N,)` booleans: out-of-distribution at the detector's level.
    """

    kept: pyarrow.RecordBatch
    scores: Floats
    p_values: Floats
    flags: NDArray[np.bool_]


@dataclass(frozen=True)
class TableDetector:
    """See the module's head.

    Attributes:
        detector: fitted on prepared rows.
        preparation: None for a detector that was fitted in Python on columns without names.
        rows: how many the table of the fit had; None where the detector was fitted in Python.
    """

    detector: EnergyDetector
    preparation: Preparation | None
    rows: int | None = None

    @property
    def false_alarm_rate(self) -> float:
        """The share of rows like those of the fit that is flagged, on average over fits."""
        return conformal.false_alarm_rate(self.detector.alpha, len(self.detector.calibration_scores_))

    @classmethod
    def fit(
        cls,
        detector: EnergyDetector,
        table: TableStream,
        label_column: str | None = None,
        drop: Sequence[str] = (),
        one_hot: Sequence[str] = (),
        impute: Sequence[str] = (),
        watch: Watch = lambda _doing, _share: None,
    ) -> Self:
        """Read a table, prepare it, and fit a detector on it.

        Medians and categories come from the rows that are fitted on, and not from those held out for calibration.

        Args:
            detector: not fitted yet; if it is supervised, it learns from `label_column`.
            table: of rows taken to be in-distribution.
            label_column: classes of the rows; no feature.
            drop: columns to leave out, by name or by a pattern such as `id_*`.
            one_hot: columns to encode, a feature for each category.
            impute: columns where a missing number becomes the median.
            watch: told of progress.

        Raises:
            EbmoodError: the table or an option cannot be used; see `TableStream` and `Preparation`.
        """
        conformal.allowed_alarms(detector.alpha, 0)  # what the estimator would say after the table is read
        device_of(detector.device)
        where, names = table.where, table.names
        labels = [] if label_column is None else named([label_column], names, where, "--label-column")
        if len(labels) > 1 or (detector.supervised and not labels):
            raise InputError(f"{where}: name one column of classes with --label-column")
        ignored = set(named(drop, names, where, "--drop")) | set(labels)
        columns = [name for name in names if name not in ignored]
        if not columns:
            raise InputError(f"{where}: no column is left to learn from; leave out fewer")
        encoded = named(one_hot, columns, where, "--one-hot")
        filled = [name for name in named(impute, columns, where, "--impute") if name not in encoded]
        wanted = columns + (labels if detector.supervised else [])
        raws: list[Raw] = []
        classes: list[str] = []
        for piece in table.pieces(wanted):
            raws.append(read_columns(piece, columns, encoded, filled))
            _refuse_huge(piece, raws[-1])
            if detector.supervised:
                classes += _classes(piece, labels[0])
            watch("reading", table.share)
        raw = {name: _joined([raw[name] for raw in raws]) for name in columns}
        rows = len(raw[columns[0]])
        detector.set_params(random_state=seed_of(detector.random_state))  # one seed for both uses of it
        with about(where):
            fitted_on, _ = split_rows(detector.calibration, rows, seed_of(detector.random_state))
            preparation = fit_preparation(raw, fitted_on, filled, [n for n in names if n in ignored])
            x = preparation.apply(raw)
            watch("fitting", 0.0)
            detector.fit(
                _frame(preparation.features, x),
                np.array(classes) if detector.supervised else None,
                report=lambda done, steps: watch("fitting", done / steps),
            )
        return cls(detector, preparation, rows)

    def save(self, folder: Path) -> None:
        """Write detector and preparation to a folder; `EnergyDetector.save` says how.

        Raises:
            EbmoodError: the folder cannot be written.
        """
        note = None if self.preparation is None else self.preparation.model_dump(mode="json")
        self.detector.save(folder, {NOTE: note, "rows": self.rows})

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """What `save` wrote, or `EnergyDetector.save`.

        Raises:
            EbmoodError: there is none, or it was changed, or it is of no table.
        """
        return cls.of(folder, load(folder, device=device))

    @classmethod
    def of(cls, folder: Path, detector: EnergyDetector) -> Self:
        """A detector that was loaded from what `save` wrote to `folder`, or `EnergyDetector.save`.

        Raises:
            EbmoodError: it is of no table.
        """
        if len(detector.shape_in_ or ()) != 1:
            raise EbmoodError(f"{folder}: fitted on inputs of shape {detector.shape_in_}, not on a table")
        names = tuple(detector.feature_names_in_) if hasattr(detector, "feature_names_in_") else None
        rows = detector.notes_.get("rows")
        preparation = read_preparation(folder, detector.notes_, names)
        return cls(detector, preparation, rows if isinstance(rows, int) else None)

    def scored(
        self,
        table: TableStream,
        keep: Sequence[str] = (),
        drop: Sequence[str] = (),
        watch: Watch = lambda _doing, _share: None,
    ) -> Iterator[Scored]:
        """Score a table piece by piece, in bounded memory.

        Args:
            table: with the columns of the fit, in any order.
            keep: columns that come back beside the scores, by name or pattern; no feature unless they were one.
            drop: further columns that the fit did not know.
            watch: told of progress.

        Raises:
            EbmoodError: the table cannot be used; see `TableStream` and `Preparation`. Pieces may have come by then.
        """
        kept = named(keep, table.names, table.where, "--keep")
        dropped = named(drop, table.names, table.where, "--drop")
        preparation = self.preparation or self._unnamed(table, {*kept, *dropped})
        preparation.check_columns(table.where, table.names, [*kept, *dropped])
        columns = list(dict.fromkeys([*preparation.columns, *kept]))
        for piece in table.pieces(columns):
            x = preparation.apply(preparation.read(piece))
            with about(table.where):
                scores = self.detector.score_samples(
                    x if self.preparation is None else _frame(preparation.features, x)
                )
            yield Scored(
                piece.rows.select(kept),
                scores,
                conformal.p_values(scores, self.detector.calibration_scores_),
                scores < self.detector.offset_,
            )
            watch("scoring", table.share)

    def _unnamed(self, table: TableStream, others: set[str]) -> Preparation:
        columns = tuple(name for name in table.names if name not in others)
        if len(columns) != self.detector.n_features_in_:
            raise InputError(
                f"{table.where}: {len(columns)} columns, but the model was fitted on {self.detector.n_features_in_} "
                "without names; leave out the others with --drop or --keep"
            )
        return Preparation(columns=columns)


def read_preparation(folder: Path, notes: dict, names: tuple[str, ...] | None) -> Preparation | None:
    """The preparation among a saved detector's notes; without one, its columns as they are.

    Args:
        folder: for messages.
        notes: of the saved detector.
        names: of its features; None without names, when there is no preparation either.

    Raises:
        EbmoodError: it is none, or of other features than the detector's.
    """
    note = notes.get(NOTE)
    if note is None:
        return None if names is None else Preparation(columns=names)
    try:
        preparation = Preparation.model_validate(note)
    except ValidationError as error:
        raise EbmoodError(
            f"{folder}: its preparation is not as ebmood writes it ({error.errors()[0]['msg']})"
        ) from error
    if preparation.features != names:
        raise EbmoodError(f"{folder}: its preparation makes other features than its detector takes")
    return preparation


def _frame(names: Sequence[str], x: Floats) -> pyarrow.Table:
    return pyarrow.table([pyarrow.array(column) for column in x.T], names=list(names))


def _joined(parts: list) -> Floats | pyarrow.StringArray:
    return pyarrow.concat_arrays(parts) if isinstance(parts[0], pyarrow.Array) else np.concatenate(parts)


def _classes(piece: Piece, column: str) -> list[str]:
    names = categories(piece, column).to_pylist()
    if "" in names:
        raise InputError(f"{piece.place(names.index(''), column)}: the class is missing; leave the row out")
    return names


def _refuse_huge(piece: Piece, raw: Raw) -> None:
    """Values that can be scored, as very strange ones, but not be fitted."""
    for column, values in raw.items():
        if isinstance(values, np.ndarray) and (np.abs(values) > HUGEST).any():
            row = int((np.abs(values) > HUGEST).argmax())
            raise InputError(
                f"{piece.place(row, column)}: {values[row]:.3g} is too large to fit (over {HUGEST:g}); leave the row "
                f"out, or the column with {option('--drop', column)}"
            )


@contextmanager
def about(where: str) -> Iterator[None]:
    """What the detector says of X, it says of this table."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix('X: ')}") from error
