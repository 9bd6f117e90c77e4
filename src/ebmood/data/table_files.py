"""Reading of tables: named columns of numbers and a column of class names, with errors that name file and cell."""

import zipfile
from collections import Counter
from collections.abc import Iterable
from csv import Error as CSVError
from csv import reader
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ebmood.core.errors import EbmoodError, one_line

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".csv", ".parquet", ".npz", ".txt")


@dataclass(frozen=True)
class Rows:
    """The content of a table.

    Attributes:
        features: names of the D numeric columns.
        x: values `(N, D)`, float64, finite.
        labels: class names of the rows `(N,)`, str; None if no label column was requested.
        source: the file or the service, for messages and records.
    """

    features: tuple[str, ...]
    x: np.ndarray
    labels: np.ndarray | None
    source: str


def class_name(value: object) -> str:
    """Return the name of a class. It does not depend on the type of the label.

    >>> [class_name(label) for label in (1, 1.0, "1", b"1", " 1 ")]
    ['1', '1', '1', '1', '1']
    """
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def read_rows(path: Path | str, label_column: str | None, drop: Iterable[str] = ()) -> Rows:
    """Read a table of numbers, and the classes of its rows.

    - `.csv`: values separated by commas, with a header.
    - `.parquet`: the index that pandas may write is left out.
    - `.npz`: the numbers are the array `X`, `(N, D)`, with columns named `f0`, `f1`, ...; the labels are the array
      `label_column`, usually `y`.
    - `.txt`: values separated by single spaces, without a header, as in many tables of UCI; columns `f0`, `f1`, ...

    Args:
        path: the file.
        label_column: column (for npz: array) of the classes; None reads no labels.
        drop: columns to leave out.

    Raises:
        EbmoodError: the file is missing, empty, ragged, of another type, or does not have one of the columns; or a
            cell is empty, text, NaN or infinite. The message names the file, the column and the row, counted from 1
            without the header.
    """
    path = Path(path).expanduser()
    try:
        if not path.exists():
            raise EbmoodError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
        if path.is_dir():
            raise EbmoodError(f"{path}: is a folder; give a file that ends in {', '.join(SUFFIXES)}")
        if path.suffix.lower() not in SUFFIXES:
            raise EbmoodError(
                f"{path}: files of type '{path.suffix}' cannot be read; use {', '.join(SUFFIXES)}"
            )
        if path.stat().st_size == 0:
            raise EbmoodError(f"{path}: the file is empty; a header and rows are needed")
        if path.suffix.lower() == ".npz":
            return _read_npz(path, label_column, tuple(drop))
        return _read_columns(path, label_column, tuple(drop))
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({one_line(error)})") from error


def _check_column(name: str, columns: list[str], source: object, key: str) -> None:
    """Raise an error that names similar columns and the setting `key` if there is no such column."""
    if name in columns:
        return
    similar = get_close_matches(name, columns, n=3, cutoff=0.5)
    hint = f"similar columns are {_join(similar)}" if similar else f"the columns are {_join(columns)}"
    raise EbmoodError(f"{source}: no column {name!r}; {hint} (correct `{key}`)")


def _read_columns(path: Path, label_column: str | None, drop: tuple[str, ...]) -> Rows:
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    _check_names(path, table.column_names)
    features = _select_features(path, table.column_names, label_column, drop)
    _check_not_empty(path, table.num_rows, features)
    x = np.column_stack([_as_floats(path, name, table.column(name)) for name in features])
    _check_finite(path, features, x)
    labels = (
        None
        if label_column is None
        else _class_names(path, label_column, table.column(label_column).to_pylist())
    )
    return Rows(features, x, labels, str(path))


def _check_names(source: object, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise EbmoodError(
            f"{source}: the column name {repeated[0]!r} occurs twice; rename one of the columns"
        )


def _select_features(
    source: object, names: list[str], label_column: str | None, drop: tuple[str, ...]
) -> tuple[str, ...]:
    for name in drop:
        _check_column(name, names, source, "drop")
    if label_column is not None:
        _check_column(label_column, names, source, "label_column")
    return tuple(name for name in names if name != label_column and name not in drop)


def _check_not_empty(source: object, rows: int, features: tuple[str, ...]) -> None:
    if not features:
        raise EbmoodError(f"{source}: no feature column is left; drop fewer columns")
    if rows == 0:
        raise EbmoodError(f"{source}: the table has no rows; add rows below the header")


def _read_text(path: Path) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import csv

    with_header = path.suffix.lower() == ".csv"
    delimiter = "," if with_header else " "
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = reader(file, delimiter=delimiter)
            first = next(lines, [])
            if with_header and next(lines, None) is None:
                raise EbmoodError(f"{path}: the table has no rows; add rows below the header")
        names = first if with_header else [f"f{number}" for number in range(len(first))]
        _check_names(path, names)
        return csv.read_csv(
            path,
            # Only with one thread do the messages of the parser contain the row.
            read_options=csv.ReadOptions(use_threads=False, column_names=None if with_header else names),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            # Read as text, so that `_as_floats` can report the cells that are not numbers.
            convert_options=csv.ConvertOptions(
                column_types={name: pyarrow.string() for name in names}, strings_can_be_null=False
            ),
        )
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError, UnicodeDecodeError, CSVError) as error:
        kind = "comma-separated values" if with_header else "values separated by single spaces"
        raise EbmoodError(f"{path}: not a table of {kind} ({one_line(error)}); correct the file") from error


def _read_parquet(path: Path) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise EbmoodError(f"{path}: not a readable Parquet file ({one_line(error)})") from error
    index = [name for name in table.column_names if name.startswith("__index_level_")]
    return table.drop_columns(index)


def _as_floats(source: object, name: str, column: "pyarrow.ChunkedArray | pyarrow.Array") -> np.ndarray:
    """Return a column as float64, `(N,)`."""
    import pyarrow
    from pyarrow import compute
    from pyarrow import types as kinds

    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = compute.index(column.is_null(), True).as_py()
        raise EbmoodError(
            f"{source}: column {name!r}, row {row + 1}: the cell is empty; fill it or remove the row"
        )
    if (
        kinds.is_string(column.type)
        or kinds.is_large_string(column.type)
        or kinds.is_string_view(column.type)
    ):
        column = compute.call_function("utf8_trim_whitespace", [column.cast(pyarrow.large_string())])
        try:
            return compute.cast(column, pyarrow.float64()).to_numpy()
        except pyarrow.ArrowInvalid:
            row = next(i for i, cell in enumerate(column) if not is_number(cell))
            cell = column[row].as_py()
            problem = f"{cell!r} is not a number" if cell else "the cell is empty"
            raise EbmoodError(
                f"{source}: column {name!r}, row {row + 1}: {problem}; correct it, or `drop` the column"
            ) from None
    try:
        return column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowInvalid):
        raise EbmoodError(
            f"{source}: column {name!r} has the type {column.type}, not numbers; `drop` it"
        ) from None


def is_number(cell: "pyarrow.Scalar") -> bool:
    """Return whether the content of a cell can be read as float64."""
    import pyarrow

    try:
        cell.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return False
    return True


def _class_names(source: object, name: str, values: Iterable[object]) -> np.ndarray:
    names = ["" if value is None or value != value else class_name(value) for value in values]
    if "" in names:
        raise EbmoodError(
            f"{source}: column {name!r}, row {names.index('') + 1}: the label is missing; fill it or remove "
            "the row"
        )
    return np.array(names, dtype=str)


def _check_finite(source: object, features: tuple[str, ...], x: np.ndarray) -> None:
    invalid = np.argwhere(~np.isfinite(x))
    if len(invalid):
        row, column = invalid[0]
        raise EbmoodError(
            f"{source}: column {features[column]!r}, row {row + 1}: {x[row, column]} is not finite "
            f"({len(invalid)} such cells); fill them, remove the rows, or `drop` the column"
        )


def _read_npz(path: Path, label_column: str | None, drop: tuple[str, ...]) -> Rows:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("X", label_column)}
            all_names = archive.files
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EbmoodError(f"{path}: not an npz file of plain arrays ({one_line(error)})") from error
    if "X" not in arrays:
        raise EbmoodError(
            f"{path}: no array 'X' (the arrays are {_join(all_names)}); store the (rows, columns) table as X"
        )
    if label_column is not None:
        _check_column(label_column, all_names, path, "label_column")
    table = arrays["X"]
    if table.ndim != 2:
        raise EbmoodError(f"{path}: X has shape {table.shape}; store it as (rows, columns)")
    names = [f"f{number}" for number in range(table.shape[1])]
    features = _select_features(path, names, None, drop)
    _check_not_empty(path, len(table), features)
    columns = [column for column, name in enumerate(names) if name in features]
    x = as_float_rows(path, features, table[:, columns])
    if label_column is None:
        return Rows(features, x, None, str(path))
    labels = arrays[label_column]
    if labels.shape != (len(x),):
        raise EbmoodError(
            f"{path}: {label_column!r} has shape {labels.shape}, but X has {len(x)} rows; store one label per row"
        )
    return Rows(features, x, _class_names(path, label_column, labels.tolist()), str(path))


def as_float_rows(source: object, features: tuple[str, ...], table: np.ndarray) -> np.ndarray:
    """Return a table `(N, D)` of numbers or text as finite float64.

    Args:
        source: name of the table in messages.
        features: names of the columns.
        table: numbers, or text that contains numbers.

    Raises:
        EbmoodError: a cell is not a finite number; the message names the source, the column and the row.
    """
    import pyarrow

    if table.dtype.kind in "fiub":
        x = table.astype(np.float64)
    elif table.dtype.kind in "UO":
        x = np.column_stack(
            [_as_floats(source, name, pyarrow.array(table[:, i].tolist())) for i, name in enumerate(features)]
        )
    else:
        raise EbmoodError(f"{source}: X has the type {table.dtype}, not numbers")
    _check_finite(source, features, x)
    return x


def _join(names: list[str], limit: int = 12) -> str:
    text = ", ".join(repr(name) for name in names[:limit])
    return f"{text}, ... ({len(names)} in total)" if len(names) > limit else text or "none"
