"""Figures of studies on images, and how pages show them."""

import base64
import io
import re

import numpy as np
import pytest
from made_images import image_seeds, made_image, png
from made_records import failed_record
from matplotlib.image import imread
from PIL import Image

from ebmood.core.errors import EbmoodError
from ebmood.report.study import study_page
from ebmood.results.arms import gather
from ebmood.results.content import _standardised
from ebmood.results.report import write_report
from ebmood.results.samples import samples

ABOUT = {
    "dataset": "fmnist-small",
    "small": True,
    "absent": {"kmnist": "KMNIST: no files"},
    "variant": "corrected",
}


@pytest.fixture(scope="module")
def records():
    return [
        failed_record("cd", 0, family="energy", **ABOUT),
        made_image("cd", 1, **ABOUT, pictures={"chains": png(3, 2)}),
        made_image("cd", 2, **ABOUT, pictures={"chains": png(9, 9)}),
        *image_seeds(2, "cd", gap=30.0, bottleneck=0.1, **ABOUT),
        *image_seeds(2, "vera", gap=-5.0, **ABOUT, pictures={"generator": png(8, 4)}),
    ]


@pytest.fixture(scope="module")
def folder(records, tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_report(records, folder)
    return folder


def test_the_content_figure_has_a_column_with_and_one_without_the_bottleneck(folder):
    svg = (folder / "figures" / "content-fmnist-small.svg").read_text()
    words = re.findall(r"<!-- (.*?) -->", svg)
    for word in ("no bottleneck", "bottleneck 0.1", "not run", "shuffled-patches", "ID test images"):
        assert word in words, word
    assert words.count("gap") == 3  # CD with and without, VERA without
    assert words.count("+30.00") == 4
    assert words.count("−5.00") == 4


def test_scores_are_drawn_in_units_of_the_id_spread():
    scores = _standardised(made_image("cd", gap={"edges": 7.0}), ["edges"])
    assert scores["id"].mean() == pytest.approx(0, abs=1e-9)
    assert scores["id"].std() == pytest.approx(1)
    assert np.median(scores["edges"]) == pytest.approx(np.median(scores["id"]) - 7)


def test_low_level_content_has_a_figure_of_its_own_and_no_other(folder):
    words = re.findall(r"<!-- (.*?) -->", (folder / "figures" / "histograms-fmnist-small-cd.svg").read_text())
    assert "mnist" in words
    assert "edges" not in words
    assert any("bottleneck 0.1" in word for word in words)


def test_samples_of_the_first_seed_done_are_written_with_every_pixel_as_a_square(folder):
    found = {path.name for path in (folder / "figures").glob("samples-*")}
    assert found == {
        "samples-fmnist-small-cd-sound-chains.png",
        "samples-fmnist-small-vera-sound-generator.png",
    }
    written = imread(folder / "figures" / "samples-fmnist-small-cd-sound-chains.png")[..., :3]
    came = imread(io.BytesIO(base64.b64decode(png(3, 2))))
    assert written.shape == (480, 720, 3)
    squares = came.repeat(240, axis=0).repeat(240, axis=1)
    np.testing.assert_allclose(written, np.stack([squares] * 3, axis=-1), atol=0.6 / 255)


def test_every_grey_and_every_colour_keeps_its_byte(tmp_path):
    greys = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for number, pixels in enumerate((np.stack([greys, greys.T, 255 - greys], axis=-1), greys)):
        file = io.BytesIO()
        # Where a pixel is one number, the PNG of that kind, as Pillow writes it.
        Image.fromarray(pixels).save(file, format="PNG")
        content = base64.b64encode(file.getvalue()).decode()
        folder = tmp_path / str(number)
        list(samples(gather([made_image("cd", pictures={"chains": content})]), "x", folder))
        (path,) = folder.iterdir()
        written = np.asarray(Image.open(path).convert("RGB"))
        expected = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
        np.testing.assert_array_equal(written[::45, ::45], expected)


def test_a_picture_that_is_large_already_stays_as_it_is(tmp_path):
    list(samples(gather([made_image("cd", pictures={"chains": png(800, 2)})]), "x", tmp_path))
    (written,) = tmp_path.iterdir()
    assert imread(written).shape[:2] == (2, 800)


def test_the_page_links_to_what_is_there_and_tells_what_is_absent_once(folder):
    page = (folder / "results.md").read_text()
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (folder / link).stat().st_size > 0, link
    assert "samples-fmnist-small-vera-sound-generator.png)" in page
    assert "- Absent on fmnist-small: kmnist (KMNIST: no files).\n" in page
    assert "- fmnist-small is FMNIST, cut: every verdict on it reads `small`.\n" in page


def test_a_note_that_says_again_what_is_absent_is_left_out(records, tmp_path):
    note = "natural set kmnist is absent: KMNIST: no files"
    told = [
        record.updated(notes=(note, "small: 16 x 16 pixels"), scores={}, pictures={}) for record in records
    ]
    write_report(told, tmp_path)
    page = (tmp_path / "results.md").read_text()
    assert "natural set kmnist is absent" not in page
    assert "small: 16 x 16 pixels" in page


def test_a_picture_that_is_none_is_named(tmp_path):
    for content in ("no base64!", base64.b64encode(b"GIF89a").decode()):
        with pytest.raises(EbmoodError, match="record cd-0: its picture 'chains' is no PNG"):
            list(samples(gather([made_image("cd", pictures={"chains": content})]), "fmnist", tmp_path))


def test_the_html_page_holds_the_samples_and_what_is_absent(records):
    html = study_page("A study", records).html()
    shown = [
        imread(io.BytesIO(base64.b64decode(text))) for text in re.findall(r"image/png;base64,([^\"]+)", html)
    ]
    assert {image.shape[:2] for image in shown} == {(480, 720), (360, 720)}
    assert 'viewBox="0 0 720 360"' in html
    assert "Absent on fmnist-small: kmnist (KMNIST: no files)." in html
    assert "Embeddings over pixels" in html


def test_models_without_kept_scores_give_no_figure_of_content(tmp_path):
    write_report([made_image("cd").updated(scores={})], tmp_path)
    assert not (tmp_path / "figures").exists()
    assert gather([made_image("cd")])[0].condition.images
