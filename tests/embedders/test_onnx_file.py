"""Graphs of the user: inputs, outputs, and what is refused."""

import copy
import pickle

import numpy as np
import pytest
from helpers.onnx_embedder import cell_means, write_embedder

from ebmood.core.errors import EbmoodError
from ebmood.embedders import EmbedderOptions, open_embedder
from ebmood.embedders.pixels import SCALES

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16), dtype=np.uint8)


@pytest.mark.parametrize("pixels", SCALES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_features_are_cell_means_of_scaled_pixels(tmp_path, pixels, channels_last):
    path = write_embedder(tmp_path / "e.onnx", channels_last=channels_last)
    embedder = open_embedder(str(path) + "#features", EmbedderOptions(pixels=pixels))
    center, scale = (np.array(values).reshape(1, 3, 1, 1) for values in SCALES[pixels])
    np.testing.assert_allclose(embedder.embed(IMAGES), cell_means((IMAGES - center) / scale), atol=1e-4)
    assert embedder.identity.output == "features"
    assert embedder.image_size == 16


def test_default_output_is_the_last_of_two_axes_and_maps_are_averaged(tmp_path):
    path = str(write_embedder(tmp_path / "e.onnx"))
    colour = open_embedder(path, EmbedderOptions(pixels="bytes"))
    assert colour.identity.output == "colour"
    maps = open_embedder(path, EmbedderOptions(pixels="bytes", output="maps"))
    expected = IMAGES.mean((2, 3))
    np.testing.assert_allclose(colour.embed(IMAGES), expected, rtol=1e-5)
    np.testing.assert_allclose(maps.embed(IMAGES), expected, rtol=1e-5)


def test_a_graph_of_fixed_batch_and_bytes(tmp_path):
    path = write_embedder(tmp_path / "e.onnx", batch=2, kind="uint8")
    embedder = open_embedder(f"{path}#features")
    assert embedder.identity.pixels == "bytes"
    assert embedder.batch == 2
    np.testing.assert_allclose(embedder.embed(IMAGES), cell_means(IMAGES), rtol=1e-5)
    with pytest.raises(EbmoodError, match="takes bytes; leave out the pixel range unit"):
        open_embedder(str(path), EmbedderOptions(pixels="unit"))


def test_the_image_size_is_that_of_the_graph_or_chosen(tmp_path):
    fixed, free = write_embedder(tmp_path / "a.onnx"), write_embedder(tmp_path / "b.onnx", size="S")
    with pytest.raises(EbmoodError, match="takes images of 16 x 16 pixels; leave out image_size= 32"):
        open_embedder(str(fixed), EmbedderOptions(image_size=32))
    assert open_embedder(str(free), EmbedderOptions(image_size=16)).image_size == 16
    assert open_embedder(str(free)).image_size == 224


def test_an_output_that_is_not_there_lists_those_that_are(tmp_path):
    path = write_embedder(tmp_path / "e.onnx")
    with pytest.raises(EbmoodError, match="no output 'pool'; the outputs are: maps, features, colour"):
        open_embedder(f"{path}#pool")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(EbmoodError, match="no such file"):
        open_embedder(str(tmp_path / "none.onnx"))
    (tmp_path / "text.onnx").write_text("not a graph")
    with pytest.raises(EbmoodError, match="onnxruntime cannot load it"):
        open_embedder(str(tmp_path / "text.onnx"))
    from onnx import TensorProto, helper, save

    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "table",
        [value("x", TensorProto.FLOAT, ["N", 7])],
        [value("y", TensorProto.FLOAT, ["N", 7])],
    )
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "t.onnx",
    )
    with pytest.raises(EbmoodError, match=r"needs one input of images \(N, 3, S, S\), but has: x"):
        open_embedder(str(tmp_path / "t.onnx"))


def test_the_digest_covers_values_in_another_file(tmp_path):
    def digest(scale: float) -> str:
        path = write_embedder(tmp_path / "e.onnx", scale=scale, external="values.bin")
        return open_embedder(str(path)).identity.sha256

    graphs = [(digest(scale), (tmp_path / "e.onnx").read_bytes()) for scale in (1.0, 2.0, 1.0)]
    assert graphs[0][1] == graphs[1][1]  # the graph itself is the same
    assert graphs[0] == graphs[2]
    assert graphs[0][0] != graphs[1][0]


def test_an_embedder_can_be_copied_and_pickled(tmp_path):
    embedder = open_embedder(str(write_embedder(tmp_path / "e.onnx")))
    assert copy.deepcopy(embedder) is embedder
    again = pickle.loads(pickle.dumps(embedder))
    assert np.array_equal(again.embed(IMAGES), embedder.embed(IMAGES))
