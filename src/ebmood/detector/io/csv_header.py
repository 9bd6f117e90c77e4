"""Open a CSV file and read its header."""

import codecs
import csv
import io
import itertools
import re
from dataclasses import dataclass
from typing import BinaryIO

from ebmood.core.errors import EbmoodError, one_line
from ebmood.detector.io.csv_dialect import TableStart, find_start
from ebmood.detector.io.encoding import MARK
from ebmood.detector.io.text_file import START_BYTES, TextFile

MAX_HEADER_BYTES = 2**24

_LINE_BREAK = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class OpenedCSV:
    """A CSV file whose header is read.

    Attributes:
        text: the file.
        start: where its table starts.
        header: the header, without its line break.
        content: the bytes that were read after the header.
    """

    text: TextFile
    start: TableStart
    header: bytes
    content: bytes


def open_csv(file: BinaryIO, source: str) -> OpenedCSV:
    """Read a file up to its header.

    Args:
        file: a binary file; plain, or compressed.
        source: its name, for messages.

    Raises:
        EbmoodError: the file cannot be read, is empty, or has no header.
    """
    text = TextFile(file, source)
    content = text.read(START_BYTES).removeprefix(codecs.BOM_UTF8)
    start = find_start(_complete_lines(content))
    if not start.delimiter.isascii():
        raise EbmoodError(
            f"{source}: the line `sep={start.delimiter}` names a delimiter that is not an ASCII character; save the "
            "file with commas, semicolons or tabs"
        )
    breaks = itertools.islice(_LINE_BREAK.finditer(content), start.line)
    position = max((line_break.end() for line_break in breaks), default=0)
    header, content = _read_header(text, content[position:], source)
    if start.below:
        _, content = _read_header(text, content, source)
    return OpenedCSV(text, start, header.lstrip(b"# ") if start.is_comment else header, content)


def _complete_lines(content: bytes) -> str:
    """Return the complete lines at the start of a file."""
    lines = content.decode(errors="replace")
    if len(content) < START_BYTES // 2:
        return lines
    return lines[: max(lines.rfind("\n"), lines.rfind("\r")) + 1]


def parse_header(header: bytes, delimiter: str, source: str) -> tuple[str, ...]:
    """Return the names in a header.

    Raises:
        EbmoodError: the header is malformed or empty.
    """
    try:
        text = header.decode().replace(MARK, "")
        names = tuple(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), ()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise EbmoodError(
            f"{source}: the header is not CSV in UTF-8 ({one_line(error)}); save the file as UTF-8"
        ) from error
    if not names:
        raise EbmoodError(f"{source}: the first line is empty; it must be a header")
    return names


def _read_header(file: TextFile, content: bytes, source: str) -> tuple[bytes, bytes]:
    """Return the first record without its line break, and the bytes that were read after it.

    Args:
        file: the file.
        content: bytes of it that were read ahead, from the start of the record.
        source: its name, for messages.
    """
    position, is_at_end = 0, False
    while True:
        for line_break in _LINE_BREAK.finditer(content, position):
            is_quoted = content.count(b'"', 0, line_break.start()) % 2
            is_split = line_break.group() == b"\r" and line_break.end() == len(content) and not is_at_end
            if not is_quoted and not is_split:
                return content[: line_break.start()], content[line_break.end() :]
        if is_at_end:
            if not content.strip():
                raise EbmoodError(f"{source}: the file is empty; it needs a header and rows")
            return content, b""
        if len(content) > MAX_HEADER_BYTES:
            raise EbmoodError(
                f"{source}: there is no header in the first {MAX_HEADER_BYTES} bytes; check that it is CSV"
            )
        position = max(0, len(content) - 1)
        data = file.read(START_BYTES)
        content, is_at_end = content + data, not data
