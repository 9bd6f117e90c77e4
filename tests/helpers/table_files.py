"""Tables written in every supported format, and the one-line error messages of wrong ones."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from ebmood.core.errors import EbmoodError
from ebmood.data import Table


def error_message(path, *parts, label_column="y", **more):
    """Return the error message of loading `path`. It is one line with the path and every part."""
    with pytest.raises(EbmoodError) as caught:
        Table(path=str(path), label_column=label_column, **more).load()
    line = str(caught.value)
    assert "\n" not in line
    for part in (str(path), *parts):
        assert part in line, f"{part!r} is not in: {line}"
    return line


FORMATS = ["csv", "parquet", "npz"]


def write_table(folder, suffix, x, labels):
    path = folder / f"table.{suffix}"
    names = [f"f{i}" for i in range(x.shape[1])]
    if suffix == "csv":
        lines = [",".join([*names, "y"])]
        for row, label in zip(x, labels, strict=True):
            lines.append(",".join([*(repr(float(value)) for value in row), str(label)]))
        path.write_text("\n".join(lines) + "\n")
    elif suffix == "parquet":
        parquet.write_table(pa.table({**{n: x[:, i] for i, n in enumerate(names)}, "y": labels}), path)
    else:
        np.savez(path, X=x, y=np.array(labels))
    return path
