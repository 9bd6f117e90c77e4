"""From a file to named columns of numbers and a column of class names, or one line on what is wrong."""

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
    """A table as read.

    Attributes:
        features: names of the D numeric columns.
        x: their values, `(N, D)`, float64, finite.
        labels: class names of the rows, `(N,)`, str; None where no label column was asked for.
        source: the file, or the service, for messages and records.
    """

    features: tuple[str, ...]
    x: np.ndarray
    labels: np.ndarray | None
    source: str


def class_name(value: object) -> str:
    """How a class is called, whatever type its label has: `1`, `1.0` and `"1"` are all `1`."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def read_rows(path: Path | str, label_column: str | None, drop: Iterable[str] = ()) -> Rows:
    """Read a table of numbers, and the classes of its rows.

    - `.csv`: separated by commas, with a header.
    - `.parquet`: the index that pandas writes beside the columns is no column.
    - `.npz`: the numbers are the array `X`, `(N, D)`, with columns called `f0`, `f1`, ...; the labels are the
      array `label_column`, usually `y`.
    - `.txt`: separated by single spaces, without a header, as UCI hands out many tables; columns `f0`, ...

    Args:
        path: the file.
        label_column: the column (array, for npz) of classes; None reads no labels.
        drop: columns to leave out.

    Raises:
        EbmoodError: the file is missing, empty, ragged, of another type, or has no such column; or a cell is
            empty, text, NaN or infinite. The message names the file, the column and the row (from 1, headers
            not counted).
    """
    path = Path(path).expanduser()
    try:
        if not path.exists():
            raise EbmoodError(f"{path}: no such file; check the path (relative paths start at {Path.cwd()})")
        if path.is_dir():
            raise EbmoodError(f"{path}: is a folder; name a file that ends in {', '.join(SUFFIXES)}")
        if path.suffix.lower() not in SUFFIXES:
            raise EbmoodError(
                f"{path}: files of type '{path.suffix}' cannot be read; use {', '.join(SUFFIXES)}"
            )
        if path.stat().st_size == 0:
            raise EbmoodError(f"{path}: the file is empty; it needs a header and rows")
        if path.suffix.lower() == ".npz":
            return _read_npz(path, label_column, tuple(drop))
        return _read_columns(path, label_column, tuple(drop))
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({one_line(error)})") from error


def column_named(name: str, columns: Iterable[str], where: object, key: str) -> str:
    """`name`, if it is one of `columns`.

    Raises:
        EbmoodError: it is not; the message names the nearest columns and the settings' `key` to mend.
    """
    columns = list(columns)
    if name in columns:
        return name
    near = get_close_matches(name, columns, n=3, cutoff=0.5)
    hint = f"the nearest are {_listed(near)}" if near else f"the columns are {_listed(columns)}"
    raise EbmoodError(f"{where}: no column {name!r}; {hint} (mend `{key}`)")


def _read_columns(path: Path, label_column: str | None, drop: tuple[str, ...]) -> Rows:
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    _check_names(path, table.column_names)
    features = _features(path, table.column_names, label_column, drop)
    _check_some(path, table.num_rows, features)
    x = np.column_stack([_numbers(path, name, table.column(name)) for name in features])
    _check_finite(path, features, x)
    labels = (
        None if label_column is None else _labels(path, label_column, table.column(label_column).to_pylist())
    )
    return Rows(features, x, labels, str(path))


def _check_names(where, names: list[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise EbmoodError(f"{where}: the column name {repeated[0]!r} stands twice; rename one of the columns")


def _features(where, names: list[str], label_column: str | None, drop: tuple[str, ...]) -> tuple[str, ...]:
    for name in drop:
        column_named(name, names, where, "drop")
    if label_column is not None:
        column_named(label_column, names, where, "label_column")
    return tuple(name for name in names if name != label_column and name not in drop)


def _check_some(where, rows: int, features: tuple[str, ...]) -> None:
    if not features:
        raise EbmoodError(f"{where}: no feature column is left; drop fewer columns")
    if rows == 0:
        raise EbmoodError(f"{where}: the table has no rows; it needs some below its header")


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
                raise EbmoodError(f"{path}: the table has no rows; it needs some below its header")
        names = first if with_header else [f"f{number}" for number in range(len(first))]
        _check_names(path, names)
        return csv.read_csv(
            path,
            # The parser counts rows, for its messages, with one thread only.
            read_options=csv.ReadOptions(use_threads=False, column_names=None if with_header else names),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            # All as text: a cell that is no number is then found, and named, by us.
            convert_options=csv.ConvertOptions(
                column_types={name: pyarrow.string() for name in names}, strings_can_be_null=False
            ),
        )
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError, UnicodeDecodeError, CSVError) as error:
        kind = "comma-separated values" if with_header else "values separated by single spaces"
        raise EbmoodError(f"{path}: not a table of {kind} ({one_line(error)}); mend the file") from error


def _read_parquet(path: Path) -> "pyarrow.Table":
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError) as error:
        raise EbmoodError(f"{path}: not a Parquet file that can be read ({one_line(error)})") from error
    index = [name for name in table.column_names if name.startswith("__index_level_")]
    return table.drop_columns(index)


def _numbers(where, name: str, column: "pyarrow.ChunkedArray | pyarrow.Array") -> np.ndarray:
    """The column as float64, `(N,)`."""
    import pyarrow
    from pyarrow import compute
    from pyarrow import types as kinds

    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = compute.index(column.is_null(), True).as_py()
        raise EbmoodError(
            f"{where}: column {name!r}, row {row + 1}: the cell is empty; fill it or leave the row out"
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
            row = next(i for i, cell in enumerate(column) if not _is_number(cell))
            cell = column[row].as_py()
            what = f"{cell!r} is not a number" if cell else "the cell is empty"
            raise EbmoodError(
                f"{where}: column {name!r}, row {row + 1}: {what}; mend it, or `drop` the column"
            ) from None
    try:
        return column.cast(pyarrow.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowInvalid):
        raise EbmoodError(f"{where}: column {name!r} holds {column.type}, not numbers; `drop` it") from None


def _is_number(cell: "pyarrow.Scalar") -> bool:
    import pyarrow

    try:
        cell.cast(pyarrow.float64())
    except pyarrow.ArrowInvalid:
        return False
    return True


def _labels(where, name: str, values: Iterable[object]) -> np.ndarray:
    names = ["" if value is None or value != value else class_name(value) for value in values]
    if "" in names:
        raise EbmoodError(
            f"{where}: column {name!r}, row {names.index('') + 1}: the label is missing; fill it or leave "
            "the row out"
        )
    return np.array(names, dtype=str)


def _check_finite(where, features: tuple[str, ...], x: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = bad[0]
        raise EbmoodError(
            f"{where}: column {features[column]!r}, row {row + 1}: {x[row, column]} is not finite "
            f"({len(bad)} such cells); fill them, leave the rows out, or `drop` the column"
        )


def _read_npz(path: Path, label_column: str | None, drop: tuple[str, ...]) -> Rows:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("X", label_column)}
            present = archive.files
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise EbmoodError(f"{path}: not an npz file of plain arrays ({one_line(error)})") from error
    if "X" not in arrays:
        raise EbmoodError(
            f"{path}: no array 'X' (there is {_listed(present)}); store the (rows, columns) table as X"
        )
    if label_column is not None:
        column_named(label_column, present, path, "label_column")
    table = arrays["X"]
    if table.ndim != 2:
        raise EbmoodError(f"{path}: X has shape {table.shape}; store it as (rows, columns)")
    names = [f"f{number}" for number in range(table.shape[1])]
    features = _features(path, names, None, drop)
    _check_some(path, len(table), features)
    kept = [column for column, name in enumerate(names) if name in features]
    x = rows_of_array(path, features, table[:, kept])
    if label_column is None:
        return Rows(features, x, None, str(path))
    labels = arrays[label_column]
    if labels.shape != (len(x),):
        raise EbmoodError(
            f"{path}: {label_column!r} has shape {labels.shape} beside {len(x)} rows of X; store one each"
        )
    return Rows(features, x, _labels(path, label_column, labels.tolist()), str(path))


def rows_of_array(where: object, features: tuple[str, ...], table: np.ndarray) -> np.ndarray:
    """`table`, `(N, D)` of numbers or of text, as finite float64.

    Raises:
        EbmoodError: a cell is no finite number; the message names `where`, the column and the row.
    """
    import pyarrow

    if table.dtype.kind in "fiub":
        x = table.astype(np.float64)
    elif table.dtype.kind in "UO":
        x = np.column_stack(
            [_numbers(where, name, pyarrow.array(table[:, i].tolist())) for i, name in enumerate(features)]
        )
    else:
        raise EbmoodError(f"{where}: X holds {table.dtype}, not numbers")
    _check_finite(where, features, x)
    return x


def _listed(names: Iterable[str], most: int = 12) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > most else shown or "nothing"
