"""A classifier that the user has as an ONNX graph with outputs for logits and for features."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError, one_line

LAYER = "features"
"""The layer of `OnnxNetwork` whose input are the features."""

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class OnnxNetwork(nn.Module):
    """An ONNX graph as a classifier, for `ClassifierDetector(OnnxNetwork(...), layer="features")`.

    It runs in onnxruntime on the CPU (extra `onnx`). It has no gradients, so it has no score ODIN, and its last linear
    layer is not known, so it has no scores that need it.

    Args:
        path: the graph. It has one input, whose first axis is the batch and not fixed.
        logits: name of the output `(N, K)` with the logits, before any softmax.
        features: name of the output `(N, E)`, or `(N, E, ...)`, with the features.

    Raises:
        EbmoodError: onnxruntime is not installed, the graph cannot be read, or has no such outputs.
    """

    graph: Tensor

    def __init__(self, path: Path | str, logits: str, features: str):
        super().__init__()
        content = _read(Path(path))
        self.names = (features, logits)
        # As a buffer, the graph belongs to the weights of the network, of which the detector stores SHA-256.
        self.register_buffer("graph", torch.frombuffer(bytearray(content), dtype=torch.uint8))
        self.features = nn.Identity()
        self._session: Any = None
        self._check(str(path))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of inputs: `(N, *shape)` to `(N, K)`."""
        if x.requires_grad:
            raise EbmoodError(
                "score 'odin' needs gradients, and an ONNX graph has none; choose another score"
            )
        given = self.session().get_inputs()[0]
        values = x.cpu().numpy()
        values = values.astype(_TYPES.get(given.type, values.dtype))
        try:
            features, logits = self.session().run(list(self.names), {given.name: values})
        except Exception as error:  # the errors of onnxruntime have no public base class
            raise EbmoodError(f"onnxruntime cannot run the graph: {one_line(error)[:150]}") from error
        self.features(torch.from_numpy(np.asarray(features)).flatten(1))
        return torch.from_numpy(np.asarray(logits))

    def session(self) -> Any:
        """Return the session of onnxruntime, made at the first call."""
        if self._session is None:
            self._session = _open_session(self.graph.numpy().tobytes())
        return self._session

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}  # a session cannot be copied

    def _check(self, path: str) -> None:
        try:
            session = self.session()
        except Exception as error:  # see above
            raise EbmoodError(
                f"{path}: not a graph that onnxruntime can read ({one_line(error)[:120]})"
            ) from error
        outputs = [output.name for output in session.get_outputs()]
        missing = next((name for name in self.names if name not in outputs), None)
        if missing is not None:
            raise EbmoodError(f"{path}: has no output {missing!r}; its outputs are {', '.join(outputs)}")
        if len(session.get_inputs()) != 1:
            names = ", ".join(given.name for given in session.get_inputs())
            raise EbmoodError(f"{path}: has {len(session.get_inputs())} inputs ({names}); must have one")


def _read(path: Path) -> bytes:
    """Return a graph with its weights, which may be in a second file."""
    missing = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise EbmoodError(
            f"an ONNX graph needs {', '.join(missing)}; install them with `pip install 'ebmood[onnx]'`"
        )
    import onnx

    try:
        return onnx.load(path).SerializeToString()
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # the errors of protobuf have no public base class
        raise EbmoodError(f"{path}: not an ONNX graph ({one_line(error)[:120]})") from error


def _open_session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
