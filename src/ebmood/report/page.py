"""An HTML page as typed values, and its template: semantic HTML with style and figures included, without scripts."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

Cell = str | tuple[str, ...]
"""Content of a table cell: text, or a list of short lines."""


@dataclass(frozen=True)
class Text:
    """A paragraph.

    Attributes:
        text: plain text; words between backticks are shown as code.
        alert: whether to highlight it.
    """

    text: str
    alert: bool = False
    kind = "text"


@dataclass(frozen=True)
class Facts:
    """A list of names with values."""

    facts: tuple[tuple[str, str], ...]
    kind = "facts"


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        caption: one line.
        head: the title of each column.
        numeric: for each column whether it holds numbers, which are aligned on the right.
        rows: the cells; the first cell is the name of the row.
        notes: lines below the table.
        folded: whether the table is collapsed until the reader opens it.
    """

    caption: str
    head: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    folded: bool = False
    kind = "grid"


@dataclass(frozen=True)
class Chart:
    """A figure.

    Attributes:
        svg: a result of `ebmood.report.svg.inline`.
        caption: what the figure shows, and how to read it.
        drawn_for_paper: whether its colours are fixed. Such a figure has a white background in dark mode too, and may
            be wide.
    """

    svg: str
    caption: str
    drawn_for_paper: bool = False
    kind = "chart"

    @property
    def safe(self) -> Markup:
        """The SVG without escaping. It is safe because this package made it."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Charts:
    """Figures side by side, if the page is wide enough."""

    charts: tuple[Chart, ...]
    kind = "charts"


@dataclass(frozen=True)
class Picture:
    """An image inside the page.

    Attributes:
        content: the content of a PNG or JPEG file.
        label: description for screen readers.
        small: whether it is shown at a third of the width.
    """

    content: bytes
    label: str
    small: bool = False

    @property
    def source(self) -> str:
        """The address of the content, which is the content itself."""
        kind = "png" if self.content.startswith(b"\x89PNG") else "jpeg"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, with one caption."""

    pictures: tuple[Picture, ...]
    caption: str
    kind = "pictures"


Block = Text | Facts | Grid | Chart | Charts | Pictures


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        anchor: its name in links.
        title: its heading.
        blocks: its content.
    """

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A complete page.

    Attributes:
        title: the heading.
        lead: a summary for readers who read only this.
        sections: the content.
        made_by: the last line.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    made_by: str

    def html(self) -> str:
        """Return the HTML file."""
        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["prose"] = prose
        package = files("ebmood.report")
        template = environment.from_string((package / "page.html.jinja").read_text(encoding="utf-8"))
        style = (package / "page.css").read_text(encoding="utf-8")
        return template.render(page=self, style=Markup(style))


def prose(text: str) -> Markup:
    """Return plain text as HTML: escaped, with words between backticks as code.

    >>> prose("`a < b` & c")
    Markup('<code>a &lt; b</code> &amp; c')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
