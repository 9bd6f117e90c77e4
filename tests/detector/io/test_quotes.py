import csv
import io

from hypothesis import example, given, settings
from hypothesis.strategies import integers, lists, sampled_from, text

from ebmood.detector.io.quotes import QuoteScanner


def is_open(content: str) -> bool:
    """Return whether Python's reader of CSV reaches the end of the file inside quotes."""
    try:
        list(csv.reader(io.StringIO(content, newline=""), strict=True))
    except csv.Error as error:
        return "unexpected end of data" in str(error)
    return False


@settings(max_examples=500, deadline=None)
@given(
    content=lists(sampled_from(['"', '""', ",", "\n", "x", 'x,"', '",'])).map("".join),
    sizes=lists(integers(1, 5), min_size=1),
)
@example(content='"', sizes=[1])
@example(content='a,"b""', sizes=[1])
@example(content='a,"b"\n,"', sizes=[2])
def test_an_open_quote_is_found_wherever_the_blocks_end(content, sizes):
    # After a closing quote, Python's strict reader allows only a delimiter, so other texts are not compared.
    try:
        list(csv.reader(io.StringIO(content, newline=""), strict=True))
    except csv.Error as error:
        if "expected after" in str(error):
            return
    scanner = QuoteScanner(b",", 2)
    position = 0
    while position < len(content):
        size = sizes[position % len(sizes)]
        scanner.scan(content[position : position + size].encode())
        position += size
    scanner.finish()
    assert (scanner.open_line is not None) == is_open(content)


@settings(max_examples=200, deadline=None)
@given(before=lists(text("ab\n,", max_size=5)), size=integers(1, 7))
def test_the_line_of_the_open_quote_is_named(before, size):
    content = "".join(f'"{cell}",x\n' for cell in before) + 'y,"z\n1,2\n'
    scanner = QuoteScanner(b",", 2)
    for start in range(0, len(content), size):
        scanner.scan(content[start : start + size].encode())
    scanner.finish()
    assert scanner.open_line == content.encode().count(b"\n") - 1
