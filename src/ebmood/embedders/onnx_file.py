"""An ONNX graph of the user as an embedder of images.

The graph has one input of images, `(N, 3, S, S)` as PyTorch writes them or `(N, S, S, 3)` as TensorFlow does, float32,
float16 or uint8. The features are one of its outputs: `(N, E)`, or `(N, E, h, w)`, which is averaged over places. A
graph is data: it is run by onnxruntime, and contains no Python.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.imports import describe
from ebmood.core.interface import for_interface
from ebmood.embedders.embedder import (
    BATCH_IMAGES,
    RESIZING,
    Bytes,
    EmbedderIdentity,
    Features,
    ImageEmbedder,
    PixelRange,
)
from ebmood.embedders.options import EmbedderOptions
from ebmood.embedders.packages import file_sha256, import_package
from ebmood.embedders.pixels import scale_pixels

SUFFIX = ".onnx"
DEFAULT_SIZE = 224
"""Pixels per side, if neither the graph nor the user says it."""

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}

# In the protobuf of a tensor: the key `location`, and the name of a file next to the graph that holds its values.
_EXTERNAL_FILE = re.compile(rb"\x0a\x08location\x12([\x80-\xff]?[\x00-\x7f])", re.DOTALL)


class ONNXFile(ImageEmbedder):
    """The features that a graph in an ONNX file returns.

    Args:
        path: the file.
        options: the output is that named `output`; by default the last output with two axes, else the last one.
            Pixels are those of `imagenet` by default, and bytes for a graph of bytes. The image size is that of the
            graph; for a graph that takes any, 224 by default.

    Raises:
        EbmoodError: onnxruntime is not installed, the file is not a graph of images, or an option does not apply.
    """

    def __init__(self, path: Path, options: EmbedderOptions):
        runtime = import_package("onnxruntime", str(path), "images")
        path = path.expanduser().resolve()
        if not path.is_file():
            raise EbmoodError(f"{path}: no such file; give the ONNX file of the embedder")
        sha256 = file_sha256(path, *_external_files(path))
        self._path = path
        self._session = _open_session(runtime, path)
        entry = _image_input(path, self._session.get_inputs())
        self._input, self._type = entry.name, TYPES[entry.type]
        self._channels_last = entry.shape[1] != 3
        size = _image_size(path, entry.shape, self._channels_last, options.image_size)
        self.batch = entry.shape[0] if isinstance(entry.shape[0], int) else BATCH_IMAGES
        self._pixels: PixelRange = options.pixels or ("bytes" if self._type == np.uint8 else "imagenet")
        if self._type == np.uint8 and self._pixels != "bytes":
            raise InputError(f"{path}: the graph takes bytes; leave out the pixel range {self._pixels}")
        output = _choose_output(path, self._session.get_outputs(), options.output)
        self._output = output
        dimension = self._embed_batch(np.zeros((self.batch, 3, size, size), np.uint8)).shape[1]
        self.identity = EmbedderIdentity(
            name=str(path),
            items="images",
            output=output,
            image_size=size,
            pixels=self._pixels,
            dimension=dimension,
            resizing=RESIZING,
            sha256=sha256,
        )

    def _embed_batch(self, images: Bytes) -> Features:
        x = images if self._pixels == "bytes" else scale_pixels(images, self._pixels).numpy()
        if self._channels_last:
            x = x.transpose(0, 2, 3, 1)
        try:
            (y,) = self._session.run(
                [self._output], {self._input: np.ascontiguousarray(x.astype(self._type, copy=False))}
            )
        except Exception as error:  # onnxruntime has no common class of its errors
            raise EbmoodError(
                f"{self._path}: output {self._output!r} cannot be computed ({describe(error)})"
            ) from error
        return check_output(np.asarray(y), len(images), f"{self._path}: output {self._output!r}")


def check_output(y: np.ndarray, rows: int, what: str) -> Features:
    """Return an output of a network as features: `(n, E)` unchanged, `(n, E, h, w)` averaged over places.

    Raises:
        InputError: it has another shape.
    """
    if y.ndim == 4 and len(y) == rows:
        y = y.mean((2, 3), dtype=np.float32)
    if y.ndim != 2 or len(y) != rows or not y.shape[1]:
        raise InputError(
            f"{what} has shape {y.shape} for {rows} images, not (n, E) or (n, E, h, w); name another with "
            f"{for_interface('--embed-output', 'output=')}"
        )
    return y.astype(np.float32)


def _open_session(runtime: Any, path: Path) -> Any:
    import torch

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # warnings of onnxruntime are not those of the user
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common class of its errors
        raise EbmoodError(
            f"{path}: onnxruntime cannot load it ({describe(error)}); give an ONNX file"
        ) from error


def _image_input(path: Path, inputs: list[Any]) -> Any:
    described = ", ".join(f"{entry.name} {entry.type} {entry.shape}" for entry in inputs)
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
        raise InputError(f"{path}: the graph needs one input of images (N, 3, S, S), but has: {described}")
    channels = [inputs[0].shape[axis] for axis in (1, 3)]
    if 3 not in channels and all(isinstance(count, int) for count in channels):
        raise InputError(f"{path}: the graph needs images of 3 channels, but has: {described}")
    if channels[0] != 3 and channels[1] == 3:
        return inputs[0]
    if isinstance(channels[0], str) or channels[0] is None:
        inputs[0].shape[1] = 3  # an axis of any size
    return inputs[0]


def _image_size(path: Path, shape: list[Any], channels_last: bool, chosen: int | None) -> int:
    sides = shape[1:3] if channels_last else shape[2:4]
    fixed = {side for side in sides if isinstance(side, int)}
    if len(fixed) > 1:
        raise InputError(f"{path}: the graph takes images of {sides[0]} x {sides[1]} pixels, not square ones")
    if not fixed:
        return chosen or DEFAULT_SIZE
    (size,) = fixed
    if chosen not in (None, size):
        raise InputError(
            f"{path}: the graph takes images of {size} x {size} pixels; leave out "
            f"{for_interface('--image-size', 'image_size=')} {chosen}"
        )
    return size


def _choose_output(path: Path, outputs: list[Any], name: str | None) -> str:
    names = [output.name for output in outputs]
    if name is None:
        flat = [output.name for output in outputs if len(output.shape or ()) == 2]
        return (flat or names)[-1]
    if name not in names:
        raise InputError(f"{path}: no output {name!r}; the outputs are: {', '.join(names)}")
    return name


def _external_files(path: Path) -> list[Path]:
    """Return the files next to a graph that hold values of its tensors, in the order of their names."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
    names = set()
    for match in _EXTERNAL_FILE.finditer(content):
        low, *high = match.group(1)
        length = (low & 0x7F) | ((high[0] << 7) if high else 0)
        names.add(content[match.end() : match.end() + length])
    files = [path.parent / name.decode(errors="replace") for name in sorted(names)]
    return [file for file in files if file.is_file()]
