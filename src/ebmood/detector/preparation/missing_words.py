"""Find words for missing values that no cell of a table holds, as after a typing error."""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow
from pyarrow import types

from ebmood.detector.cells.arrow import compute
from ebmood.detector.cells.cell_values import decode, distinct_names, is_list, is_text, is_unusable
from ebmood.detector.cells.number_format import PLAIN, NumberFormat


def unused_words(columns: Iterable[pyarrow.Array], words: Sequence[str]) -> list[str]:
    """Return the words that no cell holds, in their order.

    >>> unused_words([pyarrow.array(["Oslo", "n.d. ", "-999.0"])], ["N.D.", "-999", "-99"])
    ['-99']

    Args:
        columns: the cells of each column.
        words: words for missing values. A word that is a number is the same in any spelling.
    """
    numbers = dict(zip(words, _parse(words, PLAIN), strict=True))
    rest = dict.fromkeys(words)
    for cells in columns:
        if not rest:
            break
        names, values = _contents(decode(cells))
        for word in list(rest):
            if word.strip().lower() in names or numbers[word] in values:
                del rest[word]
    return list(rest)


def _contents(cells: pyarrow.Array) -> tuple[set[str], set[float]]:
    """Return the texts of a column in lower case, and its numbers."""
    dtype = cells.type
    if is_list(dtype):
        return _contents(decode(cells.flatten()))
    if is_text(dtype):
        cells = compute.utf8_trim_whitespace(cells.cast(pyarrow.large_string()).unique().drop_null())
        cells = compute.replace_substring(cells, pattern="\N{MINUS SIGN}", replacement="-")
        names = compute.utf8_lower(cells).to_pylist()
        return set(names), {*_parse(names, PLAIN), *_parse(names, NumberFormat(decimal=","))}
    if types.is_integer(dtype) or types.is_floating(dtype) or types.is_decimal(dtype):
        return set(), set(np.unique(np.asarray(cells.cast(pyarrow.float64(), safe=False))).tolist())
    return ({name.lower() for name in distinct_names(cells)} if not is_unusable(dtype) else set()), set()


def _parse(words: Sequence[str], number_format: NumberFormat) -> list[float]:
    """Return words as numbers, NaN for those that are none."""
    stripped = pyarrow.array([word.strip() for word in words], pyarrow.string())
    return number_format.parse(stripped)[0].tolist()
