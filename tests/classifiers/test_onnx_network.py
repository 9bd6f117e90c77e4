"""Graphs that cannot be used as a classifier; `tests/cli/test_fit_classifier.py` has one that can."""

import copy

import numpy as np
import pytest
import torch

from ebmood.classifiers import ClassifierDetector
from ebmood.classifiers.onnx_network import LAYER, OnnxNetwork
from ebmood.core.errors import EbmoodError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def graph(tmp_path):
    """A graph that returns `relu(x)` as features and `relu(x) W` as logits."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.array([[1, -1], [0, 1], [2, 0]], dtype=np.float32)
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])],
            "graph",
            [helper.make_tensor_value_info("x", kind, ["rows", 3])],
            [
                helper.make_tensor_value_info("y", kind, ["rows", 2]),
                helper.make_tensor_value_info("f", kind, ["rows", 3]),
            ],
            [onnx.numpy_helper.from_array(weight, "w")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=9,
    )
    onnx.save(model, tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_features_and_logits_are_those_of_the_graph(graph):
    x = np.random.default_rng(0).normal(size=(100, 3))
    detector = ClassifierDetector(OnnxNetwork(graph, "y", "f"), LAYER, score="energy", random_state=0).fit(x)
    outputs = detector.outputs(x)
    features = np.maximum(x, 0)
    np.testing.assert_allclose(outputs.features, features, rtol=1e-6)
    np.testing.assert_allclose(outputs.logits, features @ [[1, -1], [0, 1], [2, 0]], rtol=1e-5)


def test_copies_run_and_the_graph_is_a_part_of_the_weights(graph):
    network = OnnxNetwork(graph, "y", "f")
    again = copy.deepcopy(network)
    assert torch.equal(again(torch.ones(1, 3)), torch.tensor([[3.0, 0.0]]))
    assert torch.equal(network.state_dict()["graph"], again.state_dict()["graph"])


def test_graphs_that_cannot_be_used(graph, tmp_path):
    (tmp_path / "text.onnx").write_text("no graph")
    for path, logits, message in (
        (graph, "z", "has no output 'z'; its outputs are y, f"),
        (tmp_path / "none.onnx", "y", "cannot be read"),
        (tmp_path / "text.onnx", "y", "not an ONNX graph"),
    ):
        with pytest.raises(EbmoodError) as caught:
            OnnxNetwork(path, logits, "f")
        assert message in str(caught.value)
    with pytest.raises(EbmoodError, match="onnxruntime cannot run the graph"):
        OnnxNetwork(graph, "y", "f")(torch.ones(1, 4))
