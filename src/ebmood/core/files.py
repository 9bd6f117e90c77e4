"""Writing files so that a reader never meets half of one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from ebmood.core.errors import EbmoodError


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """A temporary name beside `path` to write to; renamed to `path` at the end, removed on an exception.

    Raises:
        EbmoodError: the folder cannot be made or written.
    """
    path = Path(path)
    # Neither a thread beside this one nor a machine that shares the folder may have the same name.
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:16]}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise EbmoodError(
            f"{path}: cannot be written ({error.strerror or error}); choose another place"
        ) from error
    finally:
        with suppress(OSError):  # where the parent is no folder, say: the error above is the one to tell
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` in UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when this process ends, however it ends.

    Raises:
        EbmoodError: another process holds it, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=1)  # whoever only asks whether it is held has it for a moment
    except Timeout:
        owner = path.read_text() or "unknown"
        raise EbmoodError(
            f"{folder}: another run is writing here (process {owner}); wait, or choose another folder"
        ) from None
    except OSError as error:
        raise EbmoodError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder with -o"
        ) from error
    try:
        path.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def is_written(folder: Path) -> bool:
    """Whether a process holds the folder's lock; also where that cannot be told."""
    path = folder / ".lock"
    try:
        with FileLock(path, timeout=0):
            return False
    except PermissionError:
        return _is_held(path)
    except (Timeout, OSError, NotImplementedError):
        return True


def _is_held(path: Path) -> bool:
    """Whether a process holds a lock that this one may only read, as where it watches somebody else's study."""
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock

        with path.open("rb") as lock:
            flock(lock, LOCK_SH | LOCK_NB)  # let go of as the file is closed
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return True
    return False
