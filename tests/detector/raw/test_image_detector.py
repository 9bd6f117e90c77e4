import numpy as np
import pytest
from helpers.onnx_embedder import write_embedder
from helpers.quick_energy import QUICK

from ebmood import EbmoodError, EnergyDetector
from ebmood.detector.io.image_stream import ImageStream
from ebmood.detector.raw.image_detector import ImageDetector, read_shape
from ebmood.detector.raw.items import IMAGE_NOTE
from ebmood.detector.raw.saved_detector import load_saved_detector, read_all_rows, score_input

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 200, (100, 5, 5), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def detector(folder) -> ImageDetector:
    return ImageDetector.fit(EnergyDetector(energy=QUICK, random_state=0), ImageStream.open(folder), size=4)


def test_scores_are_those_of_the_estimator_and_name_the_files(detector, folder, tmp_path):
    detector.save(tmp_path / "model")
    loaded = load_saved_detector(tmp_path / "model")
    pixels, names = read_all_rows(loaded, ImageStream.open(folder))
    assert pixels.shape == (100, 1, 4, 4)
    (batch,) = score_input(loaded, ImageStream.open(folder))
    np.testing.assert_array_equal(batch.scores, detector.estimator.score_samples(pixels))
    assert batch.kept_columns is not None
    assert tuple(batch.kept_columns["file"].to_pylist()) == names
    assert names[7] == "007.png"


def test_a_table_cannot_be_scored(detector, tmp_path):
    from ebmood.detector.io.open_input import open_table

    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(EbmoodError, match="a table, but the detector was fitted on images"):
        score_input(detector, open_table(tmp_path / "t.csv"))


def test_classes_are_refused(folder):
    with pytest.raises(EbmoodError, match="set supervised=False"):
        ImageDetector.fit(EnergyDetector(supervised=True), ImageStream.open(folder))


def test_a_shape_of_another_resizing_rule_is_refused(detector, tmp_path):
    note = detector.shape.model_dump() | {"rule": "another rule"}
    with pytest.raises(EbmoodError, match="by another rule"):
        read_shape(tmp_path, {IMAGE_NOTE: note})
    with pytest.raises(EbmoodError, match="the image shape is malformed"):
        read_shape(tmp_path, {IMAGE_NOTE: {"channels": 2, "size": 4}})


def test_an_embedder_may_be_named_and_sees_images_in_colour(folder, tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))
    name = str(write_embedder(tmp_path / "e.onnx", size=4)) + "#features"
    detector = ImageDetector.fit(
        EnergyDetector(embed=name, energy=QUICK, random_state=0), ImageStream.open(folder)
    )
    assert (detector.shape.channels, detector.shape.size) == (3, 4)
    detector.save(tmp_path / "model")
    loaded = load_saved_detector(tmp_path / "model")
    features, names = read_all_rows(loaded, ImageStream.open(folder))
    assert len(features) == len(names) == 100
    (batch,) = score_input(loaded, ImageStream.open(folder, skip_corrupt=True))
    np.testing.assert_array_equal(batch.scores, detector.estimator.score_samples(features))


def test_an_embedder_of_texts_is_refused(folder):
    pytest.importorskip("wordllama")
    with pytest.raises(EbmoodError, match="images, but wordllama embeds texts"):
        ImageDetector.fit(EnergyDetector(embed="wordllama"), ImageStream.open(folder))
