import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.html_outline import Outline
from helpers.quick_energy import QUICK

from ebmood.detector import EnergyDetector
from ebmood.report.detector_page import EvaluationSet, _chance_band, detector_page


def test_the_numbers_of_the_detector_are_on_the_page(model_html, detector, tumours):
    outline = Outline(model_html)
    text = " ".join(outline.text("body"))
    assert "Fitted on 200 rows and calibrated on 50 others" in text
    flagged = (detector.predict(tumours[1]) == -1).mean()
    cells = outline.text("td")
    assert f"{flagged:.3f}" in cells
    for probe in ("uniform", "gaussian", "constant", "far"):
        assert probe in outline.text("th")
    # The rows with an absurd area are explained by the area.
    explanations = [text for text in outline.text("li") if "(" in text]
    assert explanations[0].startswith("mean area = 1e+06")


def test_a_page_without_test_rows_shows_the_fit(detector):
    outline = Outline(detector_page(detector).html())
    assert outline.text("h2") == ["Scores", "False alarms", "Self-test", "Training"]
    assert len(outline.all("svg")) == 1


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_categories_and_gaps_are_named(kind):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(
        {"flow": rng.normal(size=200), "site": rng.choice(["Oslo", "Bergen"], 200, p=[0.7, 0.3])}
    )
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(energy=QUICK, random_state=0).fit(rows)
    strange = pd.DataFrame({"flow": [0.0, None, 0.0, 1e6], "site": ["Atlantis", "Oslo", None, "Bergen"]})
    if kind == "pyarrow":
        import pyarrow

        strange = pyarrow.Table.from_pandas(strange)
    outline = Outline(detector_page(detector, inside=EvaluationSet(strange)).html())
    explanations = [text for text in outline.text("li") if "(" in text]
    low, high = np.nanquantile(rows["flow"], [0.01, 0.99])
    assert "site = a new level (most often Oslo)" in explanations
    assert "site = missing (most often Oslo)" in explanations
    (gap,) = [text for text in explanations if text.startswith("flow = missing (")]
    assert [float(x) for x in gap.split("(")[1].rstrip(")").split(" to ")] == pytest.approx(
        [low, high], abs=0.5
    )
    assert [text for text in explanations if text.startswith("flow = 1e+06 (")]
    captions = outline.text("caption")
    assert "Categories in the rows of the fit" in captions
    assert "Oslo, Bergen" in outline.text("td")
    assert "nan" not in " ".join(outline.text("body")).lower().split()


def test_the_chance_band_contains_nineteen_of_twenty_detectors():
    rng = np.random.default_rng(0)
    calibration_rows, rows, alpha = 40, 60, np.array([0.1])
    low, high = _chance_band(alpha, calibration_rows, rows)
    inside = 0
    for _ in range(2000):
        calibration = np.sort(rng.random(calibration_rows))
        p = (1 + np.searchsorted(calibration, rng.random(rows), side="right")) / (1 + calibration_rows)
        inside += low[0] <= (p <= alpha[0]).mean() <= high[0]
    assert 0.94 <= inside / 2000 <= 0.985
