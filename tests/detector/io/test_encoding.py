import io

import pytest
from hypothesis import given
from hypothesis.strategies import binary, integers, lists, sampled_from, text

from ebmood.detector.io.encoding import FALLBACK_ENCODING, MARK, UTF8Reader, count_bytes


def read_all(content: bytes, size: int) -> tuple[str, UTF8Reader]:
    reader = UTF8Reader(io.BytesIO(content))
    parts = []
    while data := reader.read(size):
        data.decode()  # each part is UTF-8 by itself
        parts.append(data)
    return b"".join(parts).decode(), reader


@given(text(), integers(1, 9))
def test_utf8_is_unchanged_at_every_size_of_the_blocks(content, size):
    read, reader = read_all(content.encode(), size)
    assert read == content
    assert not reader.has_marks


@given(lists(sampled_from("aß\nöÜé€ x"), max_size=30), integers(1, 9))
def test_windows_1252_is_read_at_every_size_of_the_blocks(characters, size):
    content = " ".join(characters)  # no two letters beyond ASCII in sequence
    assert read_all(content.encode(FALLBACK_ENCODING), size)[0] == content


@given(binary(), integers(1, 9))
def test_any_bytes_become_utf8(content, size):
    read, reader = read_all(content, size)
    try:
        content.decode()
    except UnicodeDecodeError:
        assert reader.has_marks == (reader.encoding == "utf-8")
        assert (MARK in read) or reader.encoding == FALLBACK_ENCODING
    else:
        assert read == content.decode()
    assert sum(count_bytes(content)) == sum(byte > 127 for byte in content)


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_single_bytes_of_another_encoding_are_marked(size):
    content = "Köln\nFürth\n".encode() + "Münster\n".encode("latin-1") + "Köln\n".encode()
    read, reader = read_all(content, size)
    assert read == f"Köln\nFürth\nM{MARK}ünster\nKöln\n"
    assert reader.has_marks
    assert not reader.is_mostly_utf8


def test_the_first_line_in_another_encoding_is_counted(monkeypatch):
    monkeypatch.setattr("ebmood.detector.io.encoding.LOOK_AHEAD", 4)
    content = b"a\nb\nc\xf6\n" + b"x\n" * 20 + "Köln\n".encode()
    for size in (1, 7, 16):
        reader = read_all(content, size)[1]
        assert (reader.encoding, reader.fallback_line, reader.is_mostly_utf8) == (FALLBACK_ENCODING, 3, True)
