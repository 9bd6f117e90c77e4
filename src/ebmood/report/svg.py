"""Prepare SVG drawings of matplotlib for embedding in an HTML page: no addresses, unique ids, an accessible label."""

import base64
import re
import struct
from collections.abc import Mapping
from html import escape


def inline(svg: str, name: str, label: str, colours: Mapping[str, str] | None = None) -> str:
    """Return an `<svg>` element for a page.

    Args:
        svg: a complete SVG file, as matplotlib writes it.
        name: prefix of all ids in the drawing, so that two drawings of a page have different ids. Letters, digits and
            hyphens.
        label: description for screen readers.
        colours: replacements of colours `#rrggbb` by CSS colours such as `var(--ink)`.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'xlink:href="#', f'xlink:href="#{name}-', svg)
    for colour, replacement in (colours or {}).items():
        svg = svg.replace(colour, replacement)
    start = f'<svg role="img" aria-labelledby="{name}-label" focusable="false"'
    end_of_tag = svg.index(">") + 1
    title = f'<title id="{name}-label">{escape(label)}</title>'
    return start + svg[len("<svg") : end_of_tag] + title + svg[end_of_tag:].rstrip()


def of_png(png: bytes) -> str:
    """Return a complete SVG file that shows a PNG. Enlarged pixels are drawn as sharp squares."""
    width, height = struct.unpack(">II", png[16:24])
    scale = max(1, 300 // width)
    content = base64.b64encode(png).decode()
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{scale * width}pt" '
        f'height="{scale * height}pt">'
        f'<image width="{width}" height="{height}" style="image-rendering: pixelated" '
        f'href="data:image/png;base64,{content}"/></svg>'
    )
