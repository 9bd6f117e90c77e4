"""Columns inside columns: the fields of a column of structs become columns such as `sensor.flow`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import pyarrow
from pyarrow import types

Cells = TypeVar("Cells", pyarrow.Array, pyarrow.ChunkedArray)


def flat_names(fields: Iterable[pyarrow.Field]) -> Iterator[str]:
    """Yield the names of columns. A column of structs has one for each field, also of structs inside them.

    >>> list(flat_names(pyarrow.schema({"a": pyarrow.int8(), "s": pyarrow.struct({"x": pyarrow.int8()})})))
    ['a', 's.x']
    """
    for field in fields:
        if _has_fields(field.type):
            yield from (f"{field.name}.{name}" for name in flat_names(field.type))
        else:
            yield field.name


def flat_columns(columns: Iterable[tuple[str, Cells]]) -> Iterator[tuple[str, Cells]]:
    """Yield names and cells of columns, as `flat_names`. A field of a missing struct is missing."""
    for name, cells in columns:
        if _has_fields(cells.type):
            names = (f"{name}.{field.name}" for field in cells.type)
            yield from flat_columns(zip(names, cells.flatten(), strict=True))
        else:
            yield name, cells


def flat_items(row: Mapping[Any, Any], before: str = "") -> Iterator[tuple[Any, Any]]:
    """Yield the keys of a mapping and of mappings inside it, such as `sensor.flow`, and their values.

    >>> list(flat_items({"a": 1, "s": {"x": 2, "t": {"y": 3}}}))
    [('a', 1), ('s.x', 2), ('s.t.y', 3)]
    """
    for key, value in row.items():
        if isinstance(value, Mapping) and value:
            yield from flat_items(value, f"{before}{key}.")
        else:
            yield f"{before}{key}" if before else key, value


def _has_fields(dtype: pyarrow.DataType) -> bool:
    return types.is_struct(dtype) and dtype.num_fields > 0
