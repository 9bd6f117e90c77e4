"""ONNX graphs of images whose outputs have closed forms."""

from pathlib import Path

import numpy as np

GRID = 4
"""Cells per side of the output `features`, the means of cells."""


def write_embedder(
    path: Path,
    size: int | str = 16,
    batch: int | str = "N",
    kind: str = "float",
    scale: float = 1.0,
    channels_last: bool = False,
    external: str | None = None,
) -> Path:
    """Write a graph with the outputs `maps` (the images), `features` (means of 4 x 4 cells) and `colour` (means).

    Args:
        path: the file.
        size: pixels per side, or the name of a free axis.
        batch: images in a call, or the name of a free axis.
        kind: `float` or `uint8`.
        scale: factor of all outputs.
        channels_last: whether the input is `(N, S, S, 3)`.
        external: name of a file next to the graph that holds the factor; None to store it in the graph.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape = [batch, size, size, 3] if channels_last else [batch, 3, size, size]
    kinds = {"float": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
    cell = int(size) // GRID if isinstance(size, int) else 4
    factor = np.full((1, 3, 1, 1), scale, np.float32)
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["x"], ["y"], perm=[0, 3, 1, 2])
        if channels_last
        else helper.make_node("Identity", ["x"], ["y"]),
        helper.make_node("Mul", ["y", "factor"], ["maps"]),
        helper.make_node("AveragePool", ["maps"], ["cells"], kernel_shape=[cell, cell], strides=[cell, cell]),
        helper.make_node("Flatten", ["cells"], ["features"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"]),
        helper.make_node("Flatten", ["means"], ["colour"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("images", kinds[kind], shape)],
        [
            helper.make_tensor_value_info("maps", TensorProto.FLOAT, [batch, 3, size, size]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 3 * GRID**2]),
            helper.make_tensor_value_info("colour", TensorProto.FLOAT, [batch, 3]),
        ],
        [numpy_helper.from_array(factor, "factor")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    if external is not None:
        (path.parent / external).unlink(missing_ok=True)  # else onnx appends to it
    onnx.save_model(
        model,
        str(path),
        save_as_external_data=external is not None,
        location=external,
        size_threshold=0,
    )
    return path


def cell_means(images: np.ndarray) -> np.ndarray:
    """Return the output `features` for scale 1: `(n, 3, S, S)` to `(n, 48)`."""
    n, channels, size, _ = images.shape
    cells = images.reshape(n, channels, GRID, size // GRID, GRID, size // GRID)
    return cells.mean((3, 5), dtype=np.float64).reshape(n, -1)
