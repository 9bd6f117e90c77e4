"""An SVG of matplotlib's, made fit to stand inside a page: no addresses, ids of its own, a label."""

import base64
import re
import struct
from collections.abc import Mapping
from html import escape


def inline(svg: str, name: str, label: str, colours: Mapping[str, str] | None = None) -> str:
    """`svg` for a page.

    Args:
        svg: a whole file, as matplotlib writes it.
        name: goes before every id in it, so that two drawings of one page share none; letters, digits, hyphens.
        label: what a reader hears who does not see it.
        colours: `#rrggbb` in the drawing -> a colour for style sheets, such as `var(--ink)`.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', svg)
    for colour, meaning in (colours or {}).items():
        svg = svg.replace(colour, meaning)
    head = f'<svg role="img" aria-labelledby="{name}-label" focusable="false"'
    opening = svg.index(">") + 1
    title = f'<title id="{name}-label">{escape(label)}</title>'
    return head + svg[len("<svg") : opening] + title + svg[opening:].rstrip()


def of_png(png: bytes) -> str:
    """An SVG that shows a PNG, pixels as sharp squares where it is enlarged: a whole file, for `inline`."""
    width, height = struct.unpack(">II", png[16:24])
    enlarged = max(1, 300 // width)
    content = base64.b64encode(png).decode()
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{enlarged * width}pt" '
        f'height="{enlarged * height}pt">'
        f'<image width="{width}" height="{height}" style="image-rendering: pixelated" '
        f'href="data:image/png;base64,{content}"/></svg>'
    )
