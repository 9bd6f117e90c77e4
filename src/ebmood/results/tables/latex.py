r"""LaTeX source of a table, for the package `booktabs`."""

import re
from collections.abc import Sequence

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "γ": r"$\gamma$",
    "–": "--",
    "`": r"\textasciigrave{}",
}
_NUMBER_MINUS = re.compile(r"(?<![\w.-])-(?=\d)")

# In points, at ten points: text width, height without the caption, width of a character, of a column gap, of a line.
_WIDTH, _HEIGHT = 345.0, 500.0
_CHARACTER, _GAP, _LINE = 5.0, 12.0, 12.0


def latex_table(
    name: str, caption: str, titles: Sequence[str], rows: Sequence[Sequence[str]], left: Sequence[bool]
) -> str:
    """Return a floating table. A table that is larger than the page of an article is scaled down.

    Args:
        name: end of its label, `tab:NAME`.
        caption: caption as plain text.
        titles: titles of the columns.
        rows: cells as plain text.
        left: which columns are left-aligned; others are right-aligned.
    """
    resize = _resize([titles, *rows])
    alignment = "".join("l" if is_left else "r" for is_left in left)
    lines = [
        r"% \usepackage{booktabs}" + (r" \usepackage{graphicx}" if resize else ""),
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escape(caption)}}}",
        rf"\label{{tab:{name}}}",
        *([resize + "{%"] if resize else []),
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        _row(titles),
        r"\midrule",
        *map(_row, rows),
        r"\bottomrule",
        r"\end{tabular}" + ("}" if resize else ""),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def latex_escape(text: str) -> str:
    r"""Return plain text as LaTeX source.

    Minus signs of numbers become mathematical ones. Opening brackets are braced, because `[` after the end of a
    row would be read as the spacing of the row.

    >>> latex_escape("-5 %")
    '$-$5 \\%'
    """
    marked = _NUMBER_MINUS.sub("\0", text)
    return "".join(_ESCAPES.get(character, character) for character in marked).replace("\0", "$-$")


def _row(texts: Sequence[str]) -> str:
    return " & ".join(latex_escape(text) for text in texts) + r" \\"


def _resize(texts: Sequence[Sequence[str]]) -> str:
    """Return the command that scales a table to the size of a page, or an empty string."""
    columns = zip(*texts, strict=True)
    width = sum(_CHARACTER * max(map(len, column)) + _GAP for column in columns) / _WIDTH
    height = _LINE * len(texts) / _HEIGHT
    if max(width, height) <= 1.0:
        return ""
    return r"\resizebox{\linewidth}{!}" if width >= height else r"\resizebox{!}{0.9\textheight}"
