"""Properties of the HTML of every page."""

import re
from itertools import pairwise

import pytest
from helpers.html_outline import Outline

pytestmark = pytest.mark.xdist_group("report")  # its fixtures are built once


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


def test_there_are_no_scripts_and_no_external_addresses(html, outline):
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


def test_internal_links_have_targets_and_ids_are_unique(html, outline):
    ids = [attrs["id"] for _, attrs, _ in outline.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [
        v[1:] for _, a, _ in outline.elements for n, v in a.items() if n.endswith("href") and v[0] == "#"
    ]
    targets += re.findall(r"url\(#([^)]+)\)", html)
    targets += [attrs["aria-labelledby"] for _, attrs, _ in outline.elements if "aria-labelledby" in attrs]
    assert set(targets) <= set(ids)


def test_the_page_can_be_used_with_a_keyboard_and_a_screen_reader(outline):
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


def test_names_of_users_are_escaped(model_html):
    outline = Outline(model_html)
    assert outline.text("h1") == ["Tumours & <b>more</b>"]
    assert "<script>alert('x')</script> & co" in outline.text("th")
