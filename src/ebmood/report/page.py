"""A page as typed values, and its one template: semantic HTML, style and figures inside, no script, no network."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

Cell = str | tuple[str, ...]
"""Text, or a list of short lines."""


@dataclass(frozen=True)
class Text:
    """A paragraph; `words` between backticks are code. `alert` is something the reader should not miss."""

    text: str
    alert: bool = False
    kind = "text"


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    facts: tuple[tuple[str, str], ...]
    kind = "facts"


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes:
        caption: one line.
        head: a title for each column.
        numeric: which columns hold numbers, to be aligned on the right.
        rows: a cell for each column; the first names the row.
        notes: lines below the table.
        folded: shown only when the reader asks for it.
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
        svg: as `ebmood.report.svg.inline` gives it.
        caption: what it shows, and how to read it.
        drawn_for_paper: its colours are fixed, so it stands on white in the dark as well; may be wide.
    """

    svg: str
    caption: str
    drawn_for_paper: bool = False
    kind = "chart"

    @property
    def safe(self) -> Markup:
        """The SVG as it stands; it is our own."""
        return Markup(self.svg)


@dataclass(frozen=True)
class Charts:
    """Figures side by side, where there is room."""

    charts: tuple[Chart, ...]
    kind = "charts"


Block = Text | Facts | Grid | Chart | Charts


@dataclass(frozen=True)
class Section:
    """A heading, what it is called in links, and what stands below it."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """All of a page.

    Attributes:
        title: the heading.
        lead: what the reader should know who reads no further.
        sections: in the order of reading.
        made_by: the last line.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    made_by: str

    def html(self) -> str:
        """The whole file."""
        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        environment.filters["prose"] = prose
        here = files("ebmood.report")
        template = environment.from_string((here / "page.html.jinja").read_text(encoding="utf-8"))
        return template.render(page=self, style=Markup((here / "page.css").read_text(encoding="utf-8")))


def prose(text: str) -> Markup:
    """Plain text as HTML: escaped, and what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
