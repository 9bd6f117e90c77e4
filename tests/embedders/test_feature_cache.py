"""The cache of features: round trips, processes at once, and its size."""

import sqlite3
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ebmood.core.errors import DataWarning, EbmoodError
from ebmood.embedders import EmbedderIdentity
from ebmood.embedders.feature_cache import FeatureCache, open_cache

IDENTITY = EmbedderIdentity(name="a.onnx", items="images", image_size=8, dimension=3, sha256="0" * 64)


def entries(start: int, stop: int) -> dict[bytes, np.ndarray]:
    return {f"key {k}".encode(): np.array([k, k / 3, -k], np.float32) for k in range(start, stop)}


def test_features_are_found_again_to_the_bit(tmp_path):
    stored = entries(0, 1200)
    with FeatureCache(IDENTITY, folder=tmp_path) as cache:
        cache.add(stored)
        cache.add(stored)  # a second time is no error
    with FeatureCache(IDENTITY, folder=tmp_path) as cache:
        found = cache.find([*stored, b"other"])
    assert found.keys() == stored.keys()
    assert all(np.array_equal(found[key], values) for key, values in stored.items())


def test_the_path_of_a_file_does_not_matter_but_its_content_and_the_device_do(tmp_path):
    paths = [
        FeatureCache(identity, device, tmp_path).path
        for identity, device in (
            (IDENTITY, "cpu"),
            (IDENTITY.updated(name="b.onnx"), "cpu"),
            (IDENTITY.updated(sha256="1" * 64), "cpu"),
            (IDENTITY.updated(image_size=9), "cpu"),
            (IDENTITY, "cuda"),
        )
    ]
    assert paths[0] == paths[1]
    assert len(set(paths)) == 4


def test_writers_at_once_lose_nothing(tmp_path):
    def write(start: int) -> None:
        with FeatureCache(IDENTITY, folder=tmp_path) as cache:
            for k in range(start, start + 40, 4):
                cache.add(entries(k, k + 4))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(0, 160, 40)))
    with FeatureCache(IDENTITY, folder=tmp_path) as cache:
        assert len(cache.find(list(entries(0, 160)))) == 160


def test_the_first_entries_make_room(tmp_path):
    with FeatureCache(IDENTITY, folder=tmp_path, max_bytes=10 * 12) as cache:
        for k in range(0, 40, 4):
            cache.add(entries(k, k + 4))
        assert cache.find(list(entries(0, 40))).keys() == entries(30, 40).keys()


def test_a_damaged_file_is_named(tmp_path, monkeypatch):
    path = FeatureCache(IDENTITY, folder=tmp_path).path
    path.write_bytes(b"not a database " * 100)
    with pytest.raises(EbmoodError, match="delete the file, or set EBMOOD_CACHE"):
        FeatureCache(IDENTITY, folder=tmp_path)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_cache_that_fails_later_gives_one_note_and_nothing_more(tmp_path, is_damaged):
    """Another process locks it, or its file is damaged in the middle of a run."""
    with FeatureCache(IDENTITY, folder=tmp_path, wait=0.05) as cache:
        cache.add(entries(0, 4))
        if is_damaged:
            cache.path.write_bytes(b"not a database " * 1000)
        else:
            other = sqlite3.connect(cache.path, isolation_level=None)
            other.execute("BEGIN EXCLUSIVE")
        with pytest.warns(DataWarning, match="the other features are computed without a cache"):
            cache.add(entries(4, 8))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cache.find(list(entries(0, 8))) == {}
            cache.add(entries(8, 12))
    if not is_damaged:
        other.execute("ROLLBACK")
        other.close()
        with FeatureCache(IDENTITY, folder=tmp_path) as cache:
            assert cache.find(list(entries(0, 12))).keys() == entries(0, 4).keys()


def test_a_short_lock_is_waited_for(tmp_path):
    with FeatureCache(IDENTITY, folder=tmp_path) as cache:
        other = sqlite3.connect(cache.path, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
        timer.start()
        cache.add(entries(0, 4))
        timer.join()
        other.close()
        assert cache.find(list(entries(0, 4))).keys() == entries(0, 4).keys()


def test_without_a_folder_features_are_computed_anyway(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "file"))

    class Embedder:
        identity, device = IDENTITY, "cpu"

    with pytest.warns(DataWarning, match="without a cache"), open_cache(Embedder()) as cache:
        assert cache is None
