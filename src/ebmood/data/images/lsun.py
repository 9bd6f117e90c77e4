"""LSUN as its makers hand it out: LMDB databases of JPEG or WebP files, one for each category and part.

An archive `church_outdoor_val_lmdb.zip` or `test_lmdb.zip` (github.com/fyu/lsun) holds a folder that is called alike,
with the database `data.mdb` in it. Those folders lie in the data folder, or in `lsun/` there.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.data.images.readers import CorruptDataError, Part, Parts, Pictures, opened, reason, vision

_ENDING = "_val_lmdb"


def find_lsun(data: Path) -> Parts:
    """The test part: the 10,000 images of `test_lmdb`; else those of every `CATEGORY_val_lmdb` that is there.

    The training part, of some million images a category, is nobody's natural set and is not looked for.
    """
    for folder in (data, data / "lsun"):
        if (folder / "test_lmdb" / "data.mdb").is_file():
            return Parts(None, _part((folder / "test_lmdb",), f"{folder / 'test_lmdb'}"))
        categories = tuple(sorted(path.parent for path in folder.glob(f"*{_ENDING}/data.mdb")))
        if categories:
            return Parts(None, _part(categories, f"{folder / ('*' + _ENDING)}"))
    return Parts(None, None)


def _part(folders: tuple[Path, ...], where: str) -> Part:
    files = tuple(folder / "data.mdb" for folder in folders)
    return Part(where, files, lambda: _read(folders), mixed=True)


def _read(folders: tuple[Path, ...]) -> Pictures:
    databases = [(folder, *_opened(folder)) for folder in folders]
    entries = [(folder, database, key) for folder, database, keys in databases for key in keys]

    def picture(number: int) -> Any:
        folder, database, key = entries[number]
        with database.begin(buffers=False) as transaction:
            content = transaction.get(key)
        return opened(io.BytesIO(content), f"{folder}: {key.decode(errors='replace')}")

    labels = None
    if all(folder.name.endswith(_ENDING) for folder in folders):
        labels = np.array([folder.name.removesuffix(_ENDING) for folder, _, _ in entries])
    names = [f"{folder.name}/{key.decode(errors='replace')}" for folder, _, key in entries]
    return Pictures(len(entries), picture, labels, names)


def _opened(folder: Path) -> tuple[Any, list[bytes]]:
    """The database in a folder, to be read alone, and its keys in their order."""
    lmdb = vision("lmdb")
    try:
        database = lmdb.open(str(folder), readonly=True, lock=False, readahead=False, meminit=False)
        held = (folder / "data.mdb").stat().st_size
        promised = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
        if held < promised:  # and to read beyond the end of a mapped file would kill the process
            raise CorruptDataError(
                f"{folder}: data.mdb holds {held} bytes where its head promises {promised}; get it again"
            )
        with database.begin() as transaction:
            return database, list(transaction.cursor().iternext(keys=True, values=False))
    except lmdb.Error as error:
        raise CorruptDataError(
            f"{folder}: is no LMDB database that can be read ({reason(error)}); get it again"
        ) from error
