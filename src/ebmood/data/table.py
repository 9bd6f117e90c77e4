"""Tables of the user. Some classes are held out as natural OOD rows; the other rows are in-distribution."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator

from ebmood.core.errors import EbmoodError
from ebmood.data.dataset import Dataset
from ebmood.data.source import Source
from ebmood.data.table_files import Rows, class_name, read_rows

ClassName = Annotated[str, BeforeValidator(class_name)]
"""A class name. Numbers are converted to text, so that `10` and `"10"` are the same class."""


class Table(Source):
    """A table of the user.

    Attributes:
        path: a `.csv`, `.parquet`, `.npz` or `.txt` file; see `read_rows` for the formats.
        label_column: column of the classes, for npz the name of the array (usually `y`). None for no labels; then
            there are no natural OOD sets, and no recipe can use labels.
        hold_out: classes that become natural OOD sets, one set per class, with the name of the class.
        drop: columns to leave out.
        name: name of the data set in tables; None for the file name without its suffix.
    """

    kind: Literal["table"] = "table"
    path: str
    label_column: str | None = None
    hold_out: tuple[ClassName, ...] = ()
    drop: tuple[str, ...] = ()
    name: str | None = None

    def load(self) -> Dataset:
        """Return the rows of the file, with the classes held out.

        Raises:
            EbmoodError: see `read_rows` and `hold_out_classes`; or classes are held out, but `label_column` is not
                set or is dropped.
        """
        if self.hold_out and self.label_column is None:
            raise EbmoodError(f"{self.path}: `hold_out` needs labels; set `label_column`")
        if self.label_column is not None and self.label_column in self.drop:
            raise EbmoodError(
                f"{self.path}: {self.label_column!r} is both `label_column` and dropped; remove it from `drop`"
            )
        rows = read_rows(self.path, self.label_column, self.drop)
        ood_names = {name: name for name in self.hold_out}
        return hold_out_classes(rows, ood_names, name=self.name or Path(self.path).stem)


def hold_out_classes(rows: Rows, ood_names: Mapping[str, str], name: str) -> Dataset:
    """Return a data set in which some classes are natural OOD sets and all others are in-distribution.

    Args:
        rows: the table. Without labels, all rows are in-distribution.
        ood_names: name of the OOD set for each class that is held out.
        name: name of the data set.

    Raises:
        EbmoodError: a class to hold out does not exist (the message lists the classes), or no other class is left.
    """
    if rows.labels is None:
        return Dataset(name, rows.x, None, (), {}, rows.features, rows.source)
    all_classes = sort_class_names(np.unique(rows.labels).tolist())
    for held_out in ood_names:
        if held_out not in all_classes:
            raise EbmoodError(
                f"{rows.source}: no class {held_out!r} to hold out; the classes are {_shorten(all_classes)} "
                "(correct `hold_out`)"
            )
    classes = tuple(one for one in all_classes if one not in ood_names)
    if not classes:
        raise EbmoodError(
            f"{rows.source}: all classes ({_shorten(all_classes)}) are held out; leave at least one for training"
        )
    number = {one: k for k, one in enumerate(classes)}
    is_id = np.isin(rows.labels, classes)
    return Dataset(
        name=name,
        x=rows.x[is_id],
        y=np.array([number[label] for label in rows.labels[is_id].tolist()], dtype=np.int64),
        classes=classes,
        natural={ood: rows.x[rows.labels == held_out] for held_out, ood in ood_names.items()},
        features=rows.features,
        source=rows.source,
    )


def sort_class_names(names: Iterable[str]) -> list[str]:
    """Sort names by value if all of them are integers, else alphabetically.

    >>> sort_class_names(["10", "9", "1"])
    ['1', '9', '10']
    """
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)


def _shorten(names: list[str], limit: int = 20) -> str:
    return ", ".join(names[:limit]) + (f", ... ({len(names)} in total)" if len(names) > limit else "")
