"""Detectors of images and texts by an embedder, in Python."""

import copy

import numpy as np
import pytest
from helpers.onnx_embedder import cell_means, write_embedder
from helpers.quick_energy import QUICK
from sklearn.base import clone

import ebmood
from ebmood import EbmoodError, EnergyDetector
from ebmood.detector.item_embedding import EmbeddedItems
from ebmood.embedders import EmbedderOptions, open_embedder

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("PIL.Image")
pytestmark = pytest.mark.filterwarnings("ignore::ebmood.core.errors.SelfTestWarning")

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(90, 110, (60, 3, 16, 16), dtype=np.uint8)
LIGHT = RNG.integers(200, 220, (5, 3, 16, 16), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EBMOOD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def embedder(tmp_path):
    path = write_embedder(tmp_path / "e.onnx")
    return open_embedder(f"{path}#features", EmbedderOptions(pixels="bytes"))


@pytest.fixture
def detector(embedder):
    return EnergyDetector(embed=embedder, energy=QUICK, random_state=0, alpha=0.1).fit(IMAGES)


def test_scores_are_those_of_the_features(detector):
    table = cell_means(IMAGES).astype(np.float32)
    plain = EnergyDetector(energy=QUICK, random_state=0, alpha=0.1).fit(table)
    np.testing.assert_allclose(
        detector.score_samples(LIGHT), plain.score_samples(cell_means(LIGHT)), rtol=1e-3
    )
    assert (detector.predict(LIGHT) == -1).all()
    assert detector.n_features_in_ == 48


def test_features_may_be_computed_beforehand(detector, embedder):
    features = EmbeddedItems(embedder.embed(LIGHT))
    np.testing.assert_array_equal(detector.score_samples(features), detector.score_samples(LIGHT))
    assert len(features[1:3]) == 2
    with pytest.raises(EbmoodError, match=r"features of shape \(5, 2\)"):
        detector.score_samples(EmbeddedItems(np.zeros((5, 2), np.float32)))


def test_a_saved_detector_finds_its_embedder(detector, tmp_path):
    detector.save(tmp_path / "model")
    loaded = ebmood.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.score_samples(LIGHT), detector.score_samples(LIGHT))
    assert loaded.embedder_.identity == detector.embedder_.identity


def test_an_embedder_that_moved_is_given_and_one_that_changed_is_refused(detector, tmp_path):
    detector.save(tmp_path / "model")
    (tmp_path / "e.onnx").rename(tmp_path / "f.onnx")
    with pytest.raises(EbmoodError, match="does not exist any more") as error:
        ebmood.load(tmp_path / "model")
    assert "\n" not in str(error.value)
    moved = ebmood.load(tmp_path / "model", embed=str(tmp_path / "f.onnx"))
    np.testing.assert_array_equal(moved.score_samples(LIGHT), detector.score_samples(LIGHT))
    write_embedder(tmp_path / "e.onnx", scale=1.001)
    with pytest.raises(EbmoodError, match=r"model: .*e\.onnx: is not the embedder of the fit"):
        ebmood.load(tmp_path / "model")


def test_the_detector_grows_is_recalibrated_copied_and_cloned(detector):
    scores = detector.score_samples(LIGHT)
    np.testing.assert_array_equal(copy.deepcopy(detector).score_samples(LIGHT), scores)
    np.testing.assert_array_equal(clone(detector).fit(IMAGES).score_samples(LIGHT), scores)
    detector.recalibrate(RNG.integers(90, 110, (30, 3, 16, 16), dtype=np.uint8))
    assert len(detector.calibration_scores_) == 30
    detector.calibration = 0.2
    grown = detector.partial_fit(LIGHT)
    assert (grown.score_samples(LIGHT[:2]) > scores[:2]).all()


def test_other_values_of_embed_and_export_are_refused(detector, tmp_path):
    with pytest.raises(
        EbmoodError, match=r"embed=int: must be a torch.nn.Module, an embedder, or the name of one"
    ):
        EnergyDetector(embed=3).fit(IMAGES)
    with pytest.raises(EbmoodError, match="embed='resnet': unknown"):
        EnergyDetector(embed="resnet").fit(IMAGES)
    pytest.importorskip("onnxscript")
    from ebmood.detector.persistence.onnx_export import export_onnx

    with pytest.raises(EbmoodError, match="fitted with the embedder"):
        export_onnx(detector, tmp_path / "x.onnx")


def test_texts(tmp_path):
    pytest.importorskip("wordllama")
    rooms = [f"the {noun} of room {k} was {state}" for k in range(20) for noun in ("bed", "floor")
             for state in ("clean", "cold")]  # fmt: skip
    detector = EnergyDetector(embed="wordllama", energy=QUICK, random_state=0, alpha=0.1).fit(rooms)
    others = ["stock prices fell on Monday", "whisk two eggs with flour"]
    assert (detector.predict(others) == -1).all()
    detector.save(tmp_path / "texts")
    np.testing.assert_array_equal(
        ebmood.load(tmp_path / "texts").score_samples(others), detector.score_samples(others)
    )
    with pytest.raises(EbmoodError, match="item 1 is int; give a list of strings"):
        detector.score_samples(["text", 3])
    from ebmood.detector.raw.saved_detector import load_saved_detector

    with pytest.raises(EbmoodError, match="fitted in Python on texts"):
        load_saved_detector(tmp_path / "texts")
