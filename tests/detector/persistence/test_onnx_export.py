import importlib.util
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from ebmood.core.calibration import p_values
from ebmood.core.errors import EbmoodError, InputError
from ebmood.detector import EnergyDetector
from ebmood.detector.persistence.onnx_export import (
    TOLERANCE,
    DetectorGraph,
    compare,
    export_onnx,
    sample_rows,
)


@pytest.fixture(scope="module")
def exported(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    return path, export_onnx(fitted, path)


def answers(path, rows):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["score", "p_value"], {"x": rows})


def test_the_graph_scores_real_rows_as_the_detector_does(exported, fitted, benign, malignant):
    path, agreement = exported
    assert agreement.largest <= TOLERANCE
    for rows in (benign, malignant, benign[:1], benign * 1e200):
        scores, p = answers(path, rows)
        ours = fitted.score_samples(rows)
        allowed = TOLERANCE * np.maximum(1, np.abs(ours))
        assert (np.abs(scores - ours) <= allowed).all()
        low, high = (p_values(ours + by, fitted.calibration_scores_) for by in (-allowed, allowed))
        assert ((low <= p) & (p <= high)).all()
    clear = (
        np.abs(ours[:, None] - fitted.calibration_scores_).min(1)
        > 1e-4  # of the last rows, which lie far below all calibration scores
    )
    assert clear.all()
    np.testing.assert_array_equal(p, fitted.p_values(rows))


def test_the_p_value_in_the_graph_is_the_conformal_one(fitted):
    graph = DetectorGraph(fitted)
    held_out = fitted.calibration_scores_
    scores = np.concatenate([held_out, held_out - 1e-9, held_out + 1e-9, [-np.inf, -1e300, 1e300]])
    p = (1.0 + graph.count_below(torch.from_numpy(scores)).numpy()) / (1.0 + len(held_out))
    np.testing.assert_array_equal(p, p_values(scores, held_out))


def test_the_graph_is_sound_and_says_what_it_takes(exported, fitted):
    model = onnx.load(exported[0])
    onnx.checker.check_model(model, full_check=True)
    said = {entry.key: entry.value for entry in model.metadata_props}
    assert said["columns"].startswith('["x0", "x1"')
    assert float(said["offset"]) == fitted.offset_


def test_a_graph_of_another_detector_is_found_out(exported, fitted, benign, quick):
    other = EnergyDetector(energy=quick, random_state=1).fit(benign)
    with pytest.raises(EbmoodError, match="onnxruntime scores sample row"):
        compare(other, exported[0], sample_rows(fitted))


def test_without_the_extra_one_line_says_what_to_install(fitted, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    with pytest.raises(EbmoodError, match=r"needs onnxruntime; .*pip install 'ebmood\[onnx\]'"):
        export_onnx(fitted, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_an_embedding_of_images_goes_into_the_graph(tmp_path, quick):
    rng = np.random.default_rng(0)
    images = rng.random((120, 1, 4, 4))
    embed = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten())
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(embed=embed, energy=quick, random_state=0).fit(images)
    export_onnx(detector, tmp_path / "model.onnx")
    scores, _ = answers(tmp_path / "model.onnx", images)
    np.testing.assert_allclose(scores, detector.score_samples(images), rtol=1e-5, atol=1e-5)
    far_scores, far_p = answers(tmp_path / "model.onnx", images + 1e6)
    assert far_scores.max() < scores.min()
    assert far_p.max() == 1 / (1 + len(detector.calibration_scores_))


def test_codes_have_no_graph(tmp_path, quick):
    codes = torch.randint(0, 9, (60, 5), generator=torch.Generator().manual_seed(0))
    embed = nn.Sequential(nn.Embedding(9, 2), nn.Flatten())
    with warnings.catch_warnings(action="ignore"):
        detector = EnergyDetector(embed=embed, energy=quick, random_state=0).fit(codes)
    with pytest.raises(InputError, match="no arrays of floats"):
        export_onnx(detector, tmp_path / "model.onnx")
