import threading

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.core.files import atomic_path, is_written, only_writer


def test_two_threads_that_write_one_file_do_not_meet(tmp_path):
    target, both = tmp_path / "target.txt", threading.Barrier(2, timeout=20)
    faults: list[Exception] = []

    def write(letter: str) -> None:
        try:
            with atomic_path(target) as temporary:
                both.wait()
                with open(temporary, "x") as file:
                    file.write(letter * 1000)
                both.wait()
        except Exception as error:
            faults.append(error)
            both.abort()

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert target.read_text() in ("a" * 1000, "b" * 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["target.txt"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "target.txt"
    target.write_text("old")

    def fail() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise OSError("the disk is full")

    with pytest.raises(EbmoodError, match="cannot be written"):
        fail()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("target.txt", "old")]


def test_asking_whether_a_folder_is_written_takes_nothing(tmp_path):
    assert not is_written(tmp_path)
    with only_writer(tmp_path):
        assert is_written(tmp_path)
        with pytest.raises(EbmoodError, match="another run is writing here"), only_writer(tmp_path):
            pass
    assert not is_written(tmp_path)


def test_so_it_is_where_the_lock_may_only_be_read(tmp_path, monkeypatch):
    """As of somebody else's study: whoever follows it hears of its end."""
    lock = tmp_path / ".lock"
    with only_writer(tmp_path):
        lock.chmod(0o444)
        assert is_written(tmp_path)
    assert not is_written(tmp_path)
    lock.unlink()

    def refused(*_, **__):
        raise PermissionError

    monkeypatch.setattr(
        "ebmood.core.files.FileLock", refused
    )  # as in a folder of another's, which root knows none of
    assert not is_written(tmp_path)
