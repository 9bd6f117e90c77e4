from ebmood.report.svg import inline


def test_ids_get_a_prefix_and_addresses_are_removed():
    drawing = (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/svg11.dtd">'
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt">'
        '<metadata>http://purl.org</metadata><g id="a"/><use xlink:href="#a" clip-path="url(#b)"/>'
        '<path style="fill: #010101"/></svg>'
    )
    assert inline(drawing, "one", "Two < three", {"#010101": "var(--ink)"}) == (
        '<svg role="img" aria-labelledby="one-label" focusable="false" width="9pt">'
        '<title id="one-label">Two &lt; three</title><g id="one-a"/>'
        '<use xlink:href="#one-a" clip-path="url(#one-b)"/><path style="fill: var(--ink)"/></svg>'
    )
