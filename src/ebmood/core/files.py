"""Atomic writes and locks, so that a reader never sees an incomplete file."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from ebmood.core.errors import EbmoodError
from ebmood.core.interface import for_interface


def cache_folder(name: str) -> Path:
    """Return the folder `name` of the cache: of `EBMOOD_CACHE`, else of `~/.cache/ebmood`."""
    return Path(os.environ.get("EBMOOD_CACHE") or "~/.cache/ebmood").expanduser() / name


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path in the folder of `path`. Rename it to `path` at the end, or remove it on an exception.

    Raises:
        EbmoodError: the folder cannot be created or written.
    """
    path = Path(path)
    # The random name is unique among threads, and among machines that share the folder.
    temporary = path.with_name(f".{path.stem}.{uuid4().hex[:16]}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise EbmoodError(
            f"{path}: cannot be written ({error.strerror or error}); choose another path"
        ) from error
    finally:
        with suppress(OSError):  # for example if the parent is a file; the error above is the one to report
            temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` in UTF-8, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def write_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. The system releases it when this process ends, even if it is killed.

    Raises:
        EbmoodError: another process holds the lock, or the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=1)  # `is_locked` in another process holds the lock for a moment
    except Timeout:
        owner = path.read_text() or "unknown"
        raise EbmoodError(
            f"{folder}: another run is writing here (process {owner}); wait, or choose another folder"
        ) from None
    except OSError as error:
        raise EbmoodError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder"
            + for_interface(" with -o", "")
        ) from error
    try:
        path.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


@contextmanager
def wait_for_folder(folder: Path) -> Iterator[None]:
    """Hold a folder, so that only one process or thread at a time is in this context.

    Others wait, and no lock file remains in the folder; `write_lock` raises an error instead. Disks and systems on
    which a folder cannot be locked are used without a lock. If the context fails, a folder that is new and empty is
    removed.

    Raises:
        EbmoodError: the folder cannot be created.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EbmoodError(
            f"{folder}: cannot be written ({error.strerror or error}); choose another folder"
        ) from error
    with ExitStack() as stack:
        with suppress(ImportError, OSError):
            from fcntl import LOCK_EX, flock

            opened = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, opened)  # closing it releases the lock
            flock(opened, LOCK_EX)
        try:
            yield
        except BaseException:
            if is_new:
                with suppress(OSError):
                    folder.rmdir()  # only if it is empty
            raise


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder, or True if this cannot be determined."""
    path = folder / ".lock"
    try:
        with FileLock(path, timeout=0):
            return False
    except PermissionError:
        return _is_locked_by_other_user(path)
    except (Timeout, OSError, NotImplementedError):
        return True


def _is_locked_by_other_user(path: Path) -> bool:
    """Return whether a process holds a lock file that this process may only read."""
    try:
        from fcntl import LOCK_NB, LOCK_SH, flock

        with path.open("rb") as lock:
            flock(lock, LOCK_SH | LOCK_NB)  # closing the file releases the lock
    except FileNotFoundError:
        return False
    except (ImportError, OSError):
        return True
    return False
