"""The same features in every format of tables that holds them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet


def features(rows: int, width: int, seed: int) -> NDArray[np.float32]:
    """Return correlated features `(rows, width)`, of which the second is constant, and the third a whole number."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(max(2, width // 2), width))
    values = rng.normal(size=(rows, len(basis))) @ basis + rng.normal(size=(rows, width))
    values[:, 1] = 0
    values[:, 2] = rng.integers(0, 5, rows)
    return values.astype(np.float32)


def write_arrays(folder: Path, name: str, values: NDArray) -> list[Path]:
    """Write rows to arrays, whose columns are called `x0`, `x1`, ..., and return the files."""
    paths = [folder / f"{name}.npy", folder / f"{name}.npz", folder / f"{name}-columns.npy"]
    np.save(paths[0], values)
    np.savez_compressed(paths[1], X=values)
    np.save(paths[2], np.asfortranarray(values))
    return paths


def write_lists(folder: Path, name: str, values: NDArray) -> list[Path]:
    """Write rows to tables with one column of lists, `e`, and return the files."""
    flat = pa.array(values.ravel())
    lists = pa.array(values.tolist(), pa.list_(flat.type))
    columns = {
        "list": lists,
        "large": lists.cast(pa.large_list(flat.type)),
        "fixed": pa.FixedSizeListArray.from_arrays(flat, values.shape[1]),
    }
    paths = []
    for kind, column in columns.items():
        paths.append(folder / f"{name}-{kind}.parquet")
        parquet.write_table(pa.table({"e": column}), paths[-1], row_group_size=50)
    paths.append(folder / f"{name}.jsonl")
    paths[-1].write_text("".join(json.dumps({"e": row}) + "\n" for row in values.tolist()))
    return paths
