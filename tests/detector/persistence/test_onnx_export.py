import importlib.util
import json
import warnings

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from helpers.feature_rows import features
from torch import nn

from ebmood.core.calibration import p_values
from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector import EnergyDetector
from ebmood.detector.energy.score_model import SPEEDS
from ebmood.detector.persistence.onnx_export import TOLERANCE, compare, export_onnx, sample_rows

pytestmark = pytest.mark.xdist_group("onnx export")  # its fixtures are built once


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return path, export_onnx(fitted, path)


def run_graph(path, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["score", "p_value"], {"x": rows})


def test_the_graph_agrees_with_the_detector_on_real_rows(exported, fitted, benign, malignant):
    path, agreement = exported
    assert agreement.largest <= TOLERANCE
    for rows in (benign, malignant, benign[:1], benign * 1e200):
        graph_scores, graph_p = run_graph(path, rows)
        scores = fitted.score_samples(rows)
        allowed = TOLERANCE * np.maximum(1, np.abs(scores))
        assert (np.abs(graph_scores - scores) <= allowed).all()
        low, high = (p_values(scores + d, fitted.calibration_scores_) for d in (-allowed, allowed))
        assert ((low <= graph_p) & (graph_p <= high)).all()
    # The last rows score far below all calibration scores, so there are no ties.
    assert (np.abs(scores[:, None] - fitted.calibration_scores_).min(1) > 1e-4).all()
    np.testing.assert_array_equal(graph_p, fitted.p_values(rows))


def test_the_graph_is_valid_and_has_metadata(exported, fitted):
    model = onnx.load(exported[0])
    onnx.checker.check_model(model, full_check=True)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata["columns"].startswith('["x0", "x1"')
    assert float(metadata["offset"]) == fitted.offset_


@pytest.mark.parametrize("speed", ["default", "fast"])
def test_categories_and_gaps_enter_the_graph_as_numbers_of_levels_and_nan(speed, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(0, 4, (300, 3)), columns=list("abc")).astype(float)
    frame["k"] = rng.choice(["red", "blue", "green"], 300, p=[0.6, 0.39, 0.01])
    frame.loc[:20, "b"] = np.nan
    energy = SPEEDS[speed].updated(clusters=60 if speed == "fast" else None)
    detector = EnergyDetector(energy=energy, random_state=0).fit(frame)
    export_onnx(detector, tmp_path / "model.onnx")
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    levels = json.loads(metadata["categories"])["k"]
    new = frame[:40].copy()
    new.loc[0, "k"], new.loc[1, "k"], new.loc[2, "a"] = "new", None, np.nan
    numbers = {name: float(number) for number, name in enumerate(levels)}
    codes = [np.nan if pd.isna(name) else numbers.get(name, len(levels)) for name in new.k]
    rows = np.column_stack([new[["a", "b", "c"]].to_numpy(), codes])
    scores, p = run_graph(tmp_path / "model.onnx", rows)
    expected = detector.score_samples(new)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)
    low, high = (p_values(expected + d, detector.calibration_scores_) for d in (-1e-5, 1e-5))
    assert ((low <= p) & (p <= high)).all()


def test_the_graph_agrees_with_a_detector_of_features(tmp_path):
    detector = EnergyDetector(random_state=0).fit(features(150))
    assert detector.model_.layout.views == ("whitened-raw", "whitened-unit-length")
    export_onnx(detector, tmp_path / "model.onnx")  # compares sample rows, some of them far outside
    rows = np.concatenate([features(30, seed=1), np.zeros((1, 90))])
    scores, p = run_graph(tmp_path / "model.onnx", rows)
    np.testing.assert_allclose(scores, detector.score_samples(rows), rtol=1e-5, atol=1e-5)
    low, high = (
        p_values(detector.score_samples(rows) + d, detector.calibration_scores_) for d in (-1e-5, 1e-5)
    )
    assert ((low <= p) & (p <= high)).all()


def test_a_graph_of_another_detector_is_detected(exported, fitted, benign, quick):
    other = EnergyDetector(energy=quick, random_state=1).fit(benign)
    with pytest.raises(EbmoodError, match="onnxruntime scores sample row"):
        compare(other, exported[0], sample_rows(fitted))


def test_without_the_extra_one_line_says_what_to_install(fitted, tmp_path, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find_spec(name)
    )
    with pytest.raises(EbmoodError, match=r"needs onnxruntime; .*pip install 'ebmood\[onnx\]'"):
        export_onnx(fitted, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_embedding_of_images_is_part_of_the_graph(tmp_path, quick):
    images = np.random.default_rng(0).random((120, 1, 4, 4))
    torch.manual_seed(0)
    embed = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten())
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(embed=embed, energy=quick, random_state=0).fit(images)
    export_onnx(detector, tmp_path / "model.onnx")
    scores, _ = run_graph(tmp_path / "model.onnx", images)
    # The embedding computes in float32, whose rounding errors may be larger than the gap between two training values.
    np.testing.assert_allclose(scores, detector.score_samples(images), rtol=1e-3, atol=1e-3)
    distant_scores, distant_p = run_graph(tmp_path / "model.onnx", images + 1e6)
    assert distant_scores.max() < scores.min()
    assert distant_p.max() == 1 / (1 + len(detector.calibration_scores_))


def test_inputs_that_are_not_floating_point_numbers_are_refused(tmp_path, quick):
    codes = torch.randint(0, 9, (60, 5), generator=torch.Generator().manual_seed(0))
    embed = nn.Sequential(nn.Embedding(9, 2), nn.Flatten())
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(embed=embed, energy=quick, random_state=0).fit(codes)
    with pytest.raises(InputError, match="not arrays of floating-point numbers"):
        export_onnx(detector, tmp_path / "model.onnx")
