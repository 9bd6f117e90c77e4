"""Any table with a label column: some classes are held out as natural OOD rows, the rest are ID."""

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


class Table(Source):
    """A table of the user's.

    Attributes:
        path: a `.csv`, `.parquet`, `.npz` or `.txt` file, laid out as `read_rows` says.
        label_column: the column of classes; None where there are none (then there is no natural OOD and no
            supervision). For npz the name of the array, usually `y`.
        hold_out: classes that become natural out-of-distribution sets, one each, called as the class is.
            Compared as text, so that `10` and `"10"` are the same class.
        drop: columns to leave out.
        name: what tables call the data set; the file's name without its suffix if None.
    """

    kind: Literal["table"] = "table"
    path: str
    label_column: str | None = None
    hold_out: tuple[ClassName, ...] = ()
    drop: tuple[str, ...] = ()
    name: str | None = None

    def load(self) -> Dataset:
        """Read the file and hold the classes out.

        Raises:
            EbmoodError: as `read_rows` and `hold_out_classes` raise it, or classes are held out without a
                label column.
        """
        if self.hold_out and self.label_column is None:
            raise EbmoodError(
                f"{self.path}: `hold_out` names classes, but `label_column` names no column of them"
            )
        if self.label_column is not None and self.label_column in self.drop:
            raise EbmoodError(
                f"{self.path}: {self.label_column!r} is both `label_column` and dropped; take it from `drop`"
            )
        rows = read_rows(self.path, self.label_column, self.drop)
        held = {name: name for name in self.hold_out}
        return hold_out_classes(rows, held, name=self.name or Path(self.path).stem)


def hold_out_classes(rows: Rows, held: Mapping[str, str], name: str) -> Dataset:
    """The rows of classes not `held` as in-distribution data, and each held class as a natural OOD set.

    Args:
        rows: the table; without labels all rows are in-distribution.
        held: name of the OOD set for each class held out.
        name: of the data set.

    Raises:
        EbmoodError: a held class does not exist (the message lists the classes), or no other class is left.
    """
    if rows.labels is None:
        return Dataset(name, rows.x, None, (), {}, rows.features, rows.source)
    present = ordered(np.unique(rows.labels).tolist())
    for held_class in held:
        if held_class not in present:
            raise EbmoodError(
                f"{rows.source}: no class {held_class!r} to hold out; the classes are {_shown(present)} "
                "(mend `hold_out`)"
            )
    classes = tuple(known for known in present if known not in held)
    if not classes:
        raise EbmoodError(
            f"{rows.source}: all classes ({_shown(present)}) are held out; leave at least one to learn from"
        )
    number = {known: k for k, known in enumerate(classes)}
    inside = np.isin(rows.labels, classes)
    return Dataset(
        name=name,
        x=rows.x[inside],
        y=np.array([number[label] for label in rows.labels[inside].tolist()], dtype=np.int64),
        classes=classes,
        natural={ood: rows.x[rows.labels == held_class] for held_class, ood in held.items()},
        features=rows.features,
        source=rows.source,
    )


def ordered(names: Iterable[str]) -> list[str]:
    """By number where all are whole numbers, so that 10 follows 9; else by letter."""
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)


def _shown(names: list[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names)} in all)" if len(names) > most else "")
