"""Words of messages: the singular and the plural of a noun, and text that a terminal shows as it is."""

import re

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys: control characters, and those that change the direction of text."""


def noun(number: int, one: str, many: str = "") -> str:
    """Return the word for a number of things.

    >>> noun(1, "row"), noun(2, "row"), noun(2, "is", "are")
    ('row', 'rows', 'are')

    Args:
        number: how many there are.
        one: the word for one of them.
        many: the word for several; `one` with an s by default.
    """
    return one if number == 1 else many or f"{one}s"


def printable(text: str) -> str:
    r"""Return text with its control characters as Python writes them. Line breaks and tabs are kept.

    Names and cells of a table may hold such characters, and a terminal would obey them.

    >>> print(printable("flow\x1b[31m"))
    flow\x1b[31m
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
