"""LSUN in its original form: LMDB databases of JPEG or WebP files, one for each category and part.

An archive `church_outdoor_val_lmdb.zip` or `test_lmdb.zip` (github.com/fyu/lsun) contains a folder of the same name
with the database `data.mdb`. These folders are in the data folder or in its subfolder `lsun/`.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.data.images.readers import (
    CorruptDataError,
    ImageSequence,
    Part,
    Parts,
    import_vision,
    open_image,
    short_reason,
)

_SUFFIX = "_val_lmdb"


def find_lsun(data: Path) -> Parts:
    """Return the test part: the 10,000 images of `test_lmdb`, or else those of all folders `CATEGORY_val_lmdb`.

    The training part, with about a million images per category, is not used.
    """
    for folder in (data, data / "lsun"):
        if (folder / "test_lmdb" / "data.mdb").is_file():
            return Parts(None, _part((folder / "test_lmdb",), f"{folder / 'test_lmdb'}"))
        categories = tuple(sorted(path.parent for path in folder.glob(f"*{_SUFFIX}/data.mdb")))
        if categories:
            return Parts(None, _part(categories, f"{folder / ('*' + _SUFFIX)}"))
    return Parts(None, None)


def _part(folders: tuple[Path, ...], description: str) -> Part:
    files = tuple(folder / "data.mdb" for folder in folders)
    return Part(description, files, lambda: _read(folders), mixed=True)


def _read(folders: tuple[Path, ...]) -> ImageSequence:
    databases = [(folder, *_open_database(folder)) for folder in folders]
    entries = [(folder, database, key) for folder, database, keys in databases for key in keys]

    def load(i: int) -> Any:
        folder, database, key = entries[i]
        with database.begin(buffers=False) as transaction:
            content = transaction.get(key)
        return open_image(io.BytesIO(content), f"{folder}: {key.decode(errors='replace')}")

    labels = None
    if all(folder.name.endswith(_SUFFIX) for folder in folders):
        labels = np.array([folder.name.removesuffix(_SUFFIX) for folder, _, _ in entries])
    names = [f"{folder.name}/{key.decode(errors='replace')}" for folder, _, key in entries]
    return ImageSequence(len(entries), load, labels, names)


def _open_database(folder: Path) -> tuple[Any, list[bytes]]:
    """Return the database in a folder, opened for reading, and its keys in their order."""
    lmdb = import_vision("lmdb")
    try:
        database = lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False)
        size = (folder / "data.mdb").stat().st_size
        expected = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
        if size < expected:  # reading after the end of a memory-mapped file would kill the process
            raise CorruptDataError(
                f"{folder}: data.mdb has {size} bytes, but its header requires {expected}; download it again"
            )
        with database.begin() as transaction:
            return database, list(transaction.cursor().iternext(keys=True, values=False))
    except lmdb.Error as error:
        raise CorruptDataError(
            f"{folder}: not a readable LMDB database ({short_reason(error)}); download it again"
        ) from error
