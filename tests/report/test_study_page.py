import base64
import io
import re

import pytest
from helpers.html_outline import Outline
from helpers.image_records import image_seeds, made_image, png
from helpers.records import seeds
from matplotlib.image import imread

from ebmood.report.study_page import study_page
from ebmood.study.plan import Plan

pytestmark = pytest.mark.xdist_group("report")  # its fixtures are built once

BASE = [0.71, 0.74, 0.69, 0.78, 0.73]


def headings(html):
    return re.findall('<h2 id="[^"]*">(.*?)</h2>', html)


def test_failed_cells_are_shown(study_html):
    outline = Outline(study_html)
    alerts = ["".join(text) for _, attrs, text in outline.elements if attrs.get("class") == "alert"]
    assert alerts == ["Failed, 1 x (SSM): loss is not finite at step 7"]


def test_the_page_opens_with_the_answers():
    records = [*seeds(5, "ssm", BASE), *seeds(5, "ssm", BASE, gamma=1.0), *seeds(5, "radial", BASE)]
    html = study_page("A study", records).html()
    assert headings(html)[:5] == [
        "Are energy-based models better than normalizing flows?",
        "Does supervision help?",
        "Scores on segment, seed by seed",
        "The paper&#39;s claims on segment (AUC-PR, ID positive)",
        "What was run",
    ]
    assert "<script" not in html


def test_long_tables_are_folded_and_the_answer_is_not():
    records = [record for gamma in range(1, 30) for record in seeds(1, "ssm", BASE, gamma=float(gamma))]
    html = study_page("A study", [*records, *seeds(1, "ssm", BASE)]).html()
    folded = re.findall("<summary>(.*?)</summary>", html)
    assert any(title.startswith("Scores in brief") for title in folded)
    assert not any("claims on" in title for title in folded)


def test_planned_cells_without_a_record_are_counted():
    records = seeds(1, "ssm")
    plan = Plan(title="T", keys=("ssm-0", "ssm-1"), names=("segment, ssm, seed 0", "segment, ssm, seed 1"))
    page = study_page("T", records, plan)
    assert page.lead == ("1 cells (data set x recipe x seed) on segment; 0 failed. 1 more are not run.")
    assert "Not run, 1 x: segment, ssm (seed 1)." in page.html()


def test_the_page_contains_samples_and_names_absent_sets():
    about = {
        "dataset": "fmnist-small",
        "small": True,
        "absent": {"kmnist": "KMNIST: no files"},
        "variant": "corrected",
    }
    records = [
        made_image("cd", 1, **about, pictures={"chains": png(3, 2)}),
        *image_seeds(2, "vera", gap=-5.0, **about, pictures={"generator": png(8, 4)}),
    ]
    html = study_page("A study", records).html()
    images = [
        imread(io.BytesIO(base64.b64decode(text))) for text in re.findall('image/png;base64,([^"]+)', html)
    ]
    assert {image.shape[:2] for image in images} == {(480, 720), (360, 720)}
    assert 'viewBox="0 0 720 360"' in html
    assert "Absent on fmnist-small: kmnist (KMNIST: no files)." in html
    assert "Embeddings over pixels" in html


@pytest.mark.parametrize("records", [[], seeds(1, "knn", dataset="moons")])
def test_small_studies_have_a_page(records):
    assert "What was run" in study_page("T", records).html()
