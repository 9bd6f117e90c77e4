import threading

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path, is_locked, write_lock


def test_two_threads_can_write_the_same_file(tmp_path):
    target, barrier = tmp_path / "target.txt", threading.Barrier(2, timeout=20)
    errors: list[Exception] = []

    def write(letter: str) -> None:
        try:
            with atomic_path(target) as temporary:
                barrier.wait()
                with open(temporary, "x") as file:
                    file.write(letter * 1000)
                barrier.wait()
        except Exception as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert target.read_text() in ("a" * 1000, "b" * 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["target.txt"]


def test_after_an_error_the_old_file_remains(tmp_path):
    target = tmp_path / "target.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(EbmoodError, match="cannot be written"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("target.txt", "old")]


def test_is_locked_does_not_take_the_lock(tmp_path):
    assert not is_locked(tmp_path)
    with write_lock(tmp_path):
        assert is_locked(tmp_path)
        with pytest.raises(EbmoodError, match="another run is writing here"), write_lock(tmp_path):
            pass
    assert not is_locked(tmp_path)


def test_is_locked_works_with_read_permission_only(tmp_path, monkeypatch):
    """A user can then follow the study of another user."""
    lock = tmp_path / ".lock"
    with write_lock(tmp_path):
        lock.chmod(0o444)
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    lock.unlink()

    def raise_permission_error(*_, **__):
        raise PermissionError

    # As in a folder of another user, which cannot be simulated by permissions if the tests run as root.
    monkeypatch.setattr("ebmood.core.files.FileLock", raise_permission_error)
    assert not is_locked(tmp_path)
