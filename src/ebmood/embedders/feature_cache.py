"""Features that were computed before, by the embedder and the content of the image.

The cache of an embedder is one SQLite file in the folder `features` of `cache_folder`. Its name is a digest of the
identity of the embedder without its path, and of the kind of device. SQLite lets several processes read and write at
once; each waits for the others. If the file grows beyond a limit, the entries that were written first are deleted. A
cache that fails in the middle of a run is not used any more, and the run goes on.
"""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from ebmood.core.errors import DataWarning, EbmoodError, warn
from ebmood.core.files import cache_folder
from ebmood.core.settings import digest
from ebmood.embedders.embedder import Embedder, EmbedderIdentity, Features

MAX_BYTES = 2**30
"""Bytes of features that are kept for an embedder: 200,000 images of 1,280 features."""

WAIT_SECONDS = 30.0
"""How long a process waits for another one that writes."""

_LARGEST_QUERY = 500


class FeatureCache:
    """The features of one embedder.

    Args:
        identity: the embedder.
        device: kind of device that computes: features of other devices differ in their last digits.
        folder: folder of the file; None for `cache_folder("features")`.
        max_bytes: bytes of features that are kept.
        wait: seconds for which it waits for another process.

    Raises:
        EbmoodError: the cache cannot be opened.

    Warns:
        DataWarning: once, if it cannot be read or written later, such as when another process locks it for longer than
            `wait`. From then on it finds and stores nothing.
    """

    def __init__(
        self,
        identity: EmbedderIdentity,
        device: str = "cpu",
        folder: Path | None = None,
        max_bytes: int = MAX_BYTES,
        wait: float = WAIT_SECONDS,
    ):
        folder = cache_folder("features") if folder is None else folder
        content = identity.model_dump(mode="json", exclude={"name"})
        self.path = folder / f"{digest([content, device])}.sqlite"
        self._dimension = identity.dimension
        self._limit = max(1, max_bytes // (4 * identity.dimension))
        self._has_failed = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=wait, isolation_level=None)
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS features "
                "(number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB UNIQUE NOT NULL, value BLOB NOT NULL)"
            )
        except (OSError, sqlite3.Error) as error:
            raise self._error(error) from error

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Features]:
        """Return the features `(E,)` that are in the cache, by their keys."""
        found: dict[bytes, Features] = {}
        if self._has_failed:
            return found
        try:
            for start in range(0, len(keys), _LARGEST_QUERY):
                part = keys[start : start + _LARGEST_QUERY]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, value FROM features WHERE key IN ({marks})"
                for key, value in self._connection.execute(query, part):
                    if len(value) == 4 * self._dimension:
                        found[key] = np.frombuffer(value, "<f4")
        except sqlite3.Error as error:
            self._give_up(error)
        return found

    def add(self, features: Mapping[bytes, Features]) -> None:
        """Store features `(E,)` by their keys. The entries that were written first make room."""
        if self._has_failed:
            return
        entries = [(key, values.astype("<f4").tobytes()) for key, values in features.items()]
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR IGNORE INTO features (key, value) VALUES (?, ?)", entries)
            connection.execute(
                "DELETE FROM features WHERE number <= (SELECT MAX(number) FROM features) - ?", (self._limit,)
            )
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # closing the file does the same
                    connection.execute("ROLLBACK")
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> "FeatureCache":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _give_up(self, error: Exception) -> None:
        self._has_failed = True
        warn(f"{self._error(error)}; the other features are computed without a cache", DataWarning)

    def _error(self, error: Exception) -> EbmoodError:
        return EbmoodError(
            f"{self.path}: the cache of features cannot be used ({error}); delete the file, or set EBMOOD_CACHE to "
            "another folder"
        )


@contextmanager
def open_cache(embedder: Embedder) -> Iterator[FeatureCache | None]:
    """Open the cache of the features of an embedder. If that fails, warn, and yield None.

    Warns:
        DataWarning: the cache cannot be opened.
    """
    try:
        cache = FeatureCache(embedder.identity, embedder.device)
    except EbmoodError as error:
        warn(f"features are computed without a cache: {error}", DataWarning)
        yield None
        return
    with cache:
        yield cache
