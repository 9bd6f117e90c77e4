import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.classifier_outputs import labelled_rows, other_rows, trained_classifier
from helpers.html_outline import Outline

from ebmood.classifiers import ClassifierDetector
from ebmood.classifiers.classifier_rows import ArrayRows, ImageInput, ImageRows
from ebmood.core.errors import InputError
from ebmood.core.metrics import separation
from ebmood.detector.raw.items import IMAGES, ROWS
from ebmood.report.classifier_page import classifier_page, score_inputs


@pytest.fixture(scope="module")
def detector() -> ClassifierDetector:
    x, y = labelled_rows(300, seed=1)
    return ClassifierDetector(trained_classifier(), score="knn", alpha=0.1, random_state=0).fit(x, y)


def rows(x) -> ArrayRows:
    return ArrayRows("new.npz", x.numpy(), None)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def test_scores_and_classes_are_those_of_the_detector(detector):
    x = labelled_rows(1500, seed=2)[0]  # more rows than one part has
    scored = score_inputs(detector, rows(x))
    expected = detector.score_batch(x)
    np.testing.assert_array_equal(scored.batch.scores, expected.scores)
    np.testing.assert_array_equal(scored.batch.flags, expected.flags)
    np.testing.assert_array_equal(scored.predicted, trained_classifier()(x).argmax(1).numpy())


def test_the_page_has_the_numbers(detector):
    normal, other = labelled_rows(200, seed=2)[0], other_rows(80, seed=3)
    inside, outside = score_inputs(detector, rows(normal)), score_inputs(detector, rows(other))
    html = classifier_page(detector, ROWS, "Detector <watch>", inside, {"<other>": outside}).html()
    assert Outline(html).all("section")
    text = text_of(html)
    assert "Detector &lt;watch&gt;" in text
    assert f"{separation(inside.batch.scores, outside.batch.scores).auroc:.3f}" in text
    assert f"{inside.batch.flags.mean():.3f}" in text
    assert "calibrated on 60 rows" in text
    worst = int(outside.batch.scores.argmin())
    assert f"{worst + 1} {outside.batch.scores[worst]:.4g}" in text
    for number in range(4):
        assert f"{(inside.predicted == number).sum()}" in text


def test_the_page_without_test_inputs_and_with_a_threshold_for_each_class():
    x, y = labelled_rows(300, seed=1)
    of_classes = ClassifierDetector(trained_classifier(), alpha=0.1, class_conditional=True, random_state=0)
    text = text_of(classifier_page(of_classes.fit(x, y), IMAGES).html())
    assert "each predicted class has a threshold of its own" in text
    assert "The most anomalous" not in text
    few = ClassifierDetector(trained_classifier(), score="energy", random_state=0)
    with pytest.warns(match="needs 19 calibration rows"):
        few.fit(x[:20], y[:20])
    assert "19 are needed" in text_of(classifier_page(few, ROWS).html())


def test_names_of_classes_and_pictures_of_images_are_shown(detector, tmp_path):
    Image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for k in range(3):
        pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photo <{k}>.png")

    class OfImages(ClassifierDetector):
        def outputs(self, X, progress=lambda rows: None):
            return super().outputs(X.reshape(len(X), -1)[:, :6], progress)

    images = OfImages(trained_classifier(), score="energy", random_state=0)
    images.__dict__ |= {name: value for name, value in vars(detector).items() if name.endswith("_")}
    images.notes_ = {"folders": ["good", "worn", "bent", "<broken>"]}
    scored = score_inputs(images, ImageRows.open(tmp_path, ImageInput(size=8), False))
    assert scored.files == tuple(f"photo <{k}>.png" for k in range(3))
    html = classifier_page(images, IMAGES, inside=scored).html()
    assert Outline(html).all("section")
    assert html.count("<img") == 3
    assert "&lt;broken&gt;" in html
    assert "<broken>" not in html


def test_a_row_that_cannot_be_used_is_named(detector):
    x = labelled_rows(1500, seed=2)[0]
    x[1300, 2] = float("nan")
    with pytest.raises(InputError, match=r"^new\.npz: X\[1300\]: the row holds NaN or infinity; correct it"):
        score_inputs(detector, rows(x))
    broken = replace(rows(x[:5]), x=x[:5, :4].numpy())
    with pytest.raises(InputError):
        score_inputs(detector, broken)
