import json
import warnings

import numpy as np
import onnx
import onnxruntime
import pyarrow
import pytest
from helpers.quick_energy import QUICK
from pyarrow import parquet

from ebmood.detector import EnergyDetector
from ebmood.detector.io.open_input import open_table
from ebmood.detector.preparation.choices import Choices
from ebmood.detector.raw.table_detector import TableDetector


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    rows = np.random.default_rng(0).standard_normal((60, 3))
    with warnings.catch_warnings(action="ignore"):
        EnergyDetector(energy=QUICK, random_state=0).fit(rows).save(folder)
    return folder


@pytest.mark.slow
def test_the_graph_can_be_run(ebmood, model, tmp_path):
    code, _, err = ebmood("export", model, tmp_path / "model.onnx")
    assert code == 0
    assert "agrees with the detector on" in err
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    score, p = session.run(None, {"x": np.zeros((2, 3))})
    assert score.shape == p.shape == (2,)


def test_a_folder_without_a_detector_is_one_line(ebmood, tmp_path):
    code, _, err = ebmood("export", tmp_path / "none", tmp_path / "model.onnx")
    assert code == 2
    assert err.startswith("ebmood: error: ")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "model.onnx").exists()


def test_a_note_says_which_preparation_the_graph_expects(ebmood, tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal():.3f},{'ab'[i % 3 == 0]}" for i in range(80)]
    table = tmp_path / "pumps.csv"
    table.write_text("flow,site\n" + "\n".join([*lines, "0.1,"]) + "\n")
    detector = EnergyDetector(energy=QUICK, random_state=1)
    with warnings.catch_warnings(action="ignore"):
        TableDetector.fit(detector, open_table(table), Choices(categories=["site"])).save(tmp_path / "model")
    code, _, err = ebmood("export", tmp_path / "model", tmp_path / "model.onnx")
    assert code == 0
    assert "the number of its level for a category" in err
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(metadata["notes"])["preparation"]["columns"][1] == {"kind": "category", "name": "site"}
    assert json.loads(metadata["columns"]) == ["flow", "site"]


@pytest.mark.slow
def test_features_of_lists_are_columns_of_the_graph(ebmood, tmp_path):
    rows = np.random.default_rng(0).normal(size=(80, 3))
    path = tmp_path / "features.parquet"
    parquet.write_table(pyarrow.table({"flow": rows[:, 0], "e": rows[:, 1:].tolist()}), path)
    detector = EnergyDetector(energy=QUICK, random_state=1)
    with warnings.catch_warnings(action="ignore"):
        fitted = TableDetector.fit(detector, open_table(path))
        fitted.save(tmp_path / "model")
    code, _, err = ebmood("export", tmp_path / "model", tmp_path / "model.onnx")
    assert code == 0, err
    metadata = {entry.key: entry.value for entry in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(metadata["columns"]) == ["flow", "e[0]", "e[1]"]
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    score, _ = session.run(None, {"x": rows})
    [batch] = fitted.score(open_table(path))
    np.testing.assert_allclose(score, batch.scores, rtol=1e-5, atol=1e-5)


def test_another_suffix_is_refused(ebmood, model, tmp_path):
    code, _, err = ebmood("export", model, tmp_path / "model.txt")
    assert code == 2
    assert err.endswith("model.txt: the file is an ONNX graph; call it model.onnx\n")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "model.txt").exists()
