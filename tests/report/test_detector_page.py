import numpy as np
from helpers.html_outline import Outline

from ebmood.report.detector_page import _chance_band, detector_page


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
