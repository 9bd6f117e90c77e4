"""What must hold of a page, by its HTML alone."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from ebmood.report.detector_page import _chance_band, detector_page
from ebmood.report.svg import inline

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """Elements in order, with attributes, text and parents; refuses tags that do not nest."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict, list[str]]] = []
        self.open: list[tuple[str, dict, list[str]]] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = (tag, dict(attrs), [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), []))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        for element in self.open:
            element[2].append(data)

    def all(self, *tags):
        return [element for element in self.elements if element[0] in tags]

    def text(self, *tags):
        return ["".join(text).strip() for _, _, text in self.all(*tags)]


@pytest.fixture(params=["model_html", "study_html"])
def html(request) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def outline(html) -> Outline:
    return Outline(html)


def test_headings_are_in_order(outline):
    levels = [int(tag[1]) for tag, _, _ in outline.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert len(levels) > 4


def test_every_drawing_has_a_label(outline):
    ids = {attrs["id"]: "".join(text) for _, attrs, text in outline.elements if "id" in attrs}
    drawings = outline.all("svg")
    assert drawings
    for _, attrs, _ in drawings:
        assert attrs["role"] == "img"
        assert len(ids[attrs["aria-labelledby"]]) > 10
    assert not outline.all("img")


def test_nothing_is_fetched_and_nothing_runs(html, outline):
    assert not re.search(r"https?:|@import", html)
    assert not outline.all("script", "iframe", "object", "embed", "form", "base")
    for tag, attrs, _ in outline.elements:
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            value = attrs.get(name) or "#"
            assert value.startswith("#") or (tag in ("link", "image") and value.startswith("data:")), (
                tag,
                value,
            )
    assert not re.findall(r"url\((?!#)", html)


def test_links_inside_the_page_lead_somewhere_and_ids_are_unique(html, outline):
    ids = [attrs["id"] for _, attrs, _ in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = [
        v[1:] for _, a, _ in outline.elements for n, v in a.items() if n.endswith("href") and v[0] == "#"
    ]
    wanted += re.findall(r"url\(#([^)]+)\)", html)
    wanted += [attrs["aria-labelledby"] for _, attrs, _ in outline.elements if "aria-labelledby" in attrs]
    assert set(wanted) <= set(ids)


def test_keyboards_and_readers_of_screens_get_everywhere(outline):
    first_link = outline.all("a")[0]
    assert first_link[1]["href"] == "#content"
    (main,) = outline.all("main")
    assert main[1]["id"] == "content"
    (root,) = outline.all("html")
    assert root[1]["lang"] == "en"
    scrolling = [attrs for _, attrs, _ in outline.elements if attrs.get("class") in ("scroll", "drawing")]
    for attrs in scrolling:
        if "role" in attrs:
            assert attrs["role"] == "region"
            assert attrs["tabindex"] == "0"
            assert attrs["aria-label"]
    assert len(outline.all("caption")) == len(outline.all("table")) > 0
    assert all(attrs.get("scope") in ("col", "row") for _, attrs, _ in outline.all("th"))


def test_names_from_outside_are_text(model_html):
    outline = Outline(model_html)
    assert outline.text("h1") == ["Tumours & <b>more</b>"]
    assert "<script>alert('x')</script> & co" in outline.text("th")


def test_the_model_s_numbers_are_on_its_page(model_html, detector, tumours):
    outline = Outline(model_html)
    text = " ".join(outline.text("body"))
    assert "Fitted on 200 rows and calibrated on 50 others" in text
    flagged = (detector.predict(tumours[1]) == -1).mean()
    cells = outline.text("td")
    assert f"{flagged:.3f}" in cells
    for probe in ("uniform", "gaussian", "constant", "far"):
        assert probe in outline.text("th")
    # Of a row whose area alone is absurd, the area is blamed first.
    blamed = [a for a in outline.text("li") if "(" in a]
    assert blamed[0].startswith("mean area = 1e+06")


def test_a_page_without_test_rows_shows_the_fit_alone(detector):
    outline = Outline(detector_page(detector).html())
    assert outline.text("h2") == ["Scores", "False alarms", "Self-test", "What was fitted"]
    assert len(outline.all("svg")) == 1


def test_the_study_s_failure_is_on_its_page(study_html):
    outline = Outline(study_html)
    alerts = ["".join(text) for _, attrs, text in outline.elements if attrs.get("class") == "alert"]
    assert alerts == ["Failed, 1 x (ssm): loss is not finite at step 7"]


def test_chance_holds_nineteen_of_twenty_detectors():
    rng = np.random.default_rng(0)
    held_out, rows, alpha = 40, 60, np.array([0.1])
    low, high = _chance_band(alpha, held_out, rows)
    inside = 0
    for _ in range(2000):
        calibration = np.sort(rng.random(held_out))
        p = (1 + np.searchsorted(calibration, rng.random(rows), side="right")) / (1 + held_out)
        inside += low[0] <= (p <= alpha[0]).mean() <= high[0]
    assert 0.94 <= inside / 2000 <= 0.985


def test_drawings_share_no_ids_and_keep_no_addresses():
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
