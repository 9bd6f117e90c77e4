"""Export a classifier together with its detector as one ONNX graph, after a comparison of the graph with the detector.

x        (N, *shape), inputs as the network takes them
logits   (N, K)
score    (N,) float64, higher is more in-distribution
p_value  (N,) float64, in (0, 1]
"""

import copy
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ebmood.classifiers.inputs import read_batches
from ebmood.classifiers.network import prepare
from ebmood.core.calibration import p_values
from ebmood.core.errors import EbmoodError, InputError, one_line
from ebmood.core.files import atomic_path
from ebmood.detector.persistence.onnx_export import OPSET, check_packages, quiet_exporter, run_graph
from ebmood.detector.persistence.onnx_graph import PValues

if TYPE_CHECKING:
    from ebmood.classifiers.classifier_detector import ClassifierDetector

TOLERANCE = 1e-3
"""Largest difference of two scores, relative to max(1, |score|): the network computes in float32."""


class ClassifierGraph(nn.Module):
    """Map inputs to logits, scores and p-values.

    Args:
        detector: a fitted detector.
    """

    def __init__(self, detector: "ClassifierDetector"):
        super().__init__()
        self.network = detector.network_
        self.score = detector.score_
        self.p_values = PValues(detector.calibration_.scores)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits `(N, K)`, scores `(N,)` and p-values `(N,)`."""
        features, logits = self.network(x)
        score = self.score(features, logits)
        return logits, score, self.p_values(score)


def export_classifier(detector: "ClassifierDetector", path: Path | str, X: Any) -> float:
    """Write the network, the score and the p-values to `path` as one ONNX graph that agrees with the detector on X.

    Args:
        detector: fitted, without `class_conditional`, with a score that does not change its inputs.
        path: the file; replaced if it exists.
        X: a few inputs, with which the graph is traced and compared.

    Returns:
        The largest relative difference of a score, `|a - b| / max(1, |a|)`.

    Raises:
        EbmoodError: the extra `onnx` is not installed, the network or the score cannot be exported, or a score or a
            p-value differs by more than rounding. Then nothing is written.
    """
    check_packages()
    if detector.class_conditional:
        raise InputError("export: the ONNX graph has no p-values by class; fit without class_conditional")
    if detector.settings_.perturbs_input:
        raise InputError(
            f"export: score {detector.score.kind!r} needs gradients, and an ONNX graph has none; fit another score"
        )
    batches = [batch.x for batch in read_batches(X, detector.batch_size)]
    graph = copy.deepcopy(ClassifierGraph(detector)).cpu().eval()
    x = prepare(graph.network, torch.cat(batches), torch.device("cpu"))
    model = _convert(graph, x)
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(model.SerializeToString())
        return _compare(detector, temporary, x)


def _convert(graph: ClassifierGraph, x: Tensor) -> Any:
    # A batch of one row would be a constant of the graph.
    example = x[:2] if len(x) > 1 else x.expand(2, *x.shape[1:])
    try:
        with warnings.catch_warnings(), quiet_exporter(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns of its own internals
            program = torch.onnx.export(
                graph,
                (example.contiguous(),),
                input_names=["x"],
                output_names=["logits", "score", "p_value"],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
                opset_version=OPSET,
                dynamo=True,
                optimize=False,  # see `ebmood.detector.persistence.onnx_export`
                verbose=False,
            )
    except Exception as error:  # many types, for operators that ONNX lacks
        raise EbmoodError(
            f"export: torch cannot convert {type(graph.network.module).__name__} with score "
            f"{graph.score.score.kind!r} to ONNX: {one_line(error)[:150]}"
        ) from error
    assert program is not None
    model = program.model_proto
    model.producer_name, model.producer_version = "ebmood", version("ebmood")
    return model


def _compare(detector: "ClassifierDetector", path: Path, x: Tensor) -> float:
    scores, p = run_graph(path, x.numpy())
    expected = detector.score_samples(x)
    allowed = TOLERANCE * np.maximum(1.0, np.abs(expected))
    difference = np.abs(scores - expected)
    low, high = (p_values(expected + sign * allowed, detector.calibration_.scores) for sign in (-1, 1))
    agrees = (difference <= allowed) & (low <= p) & (p <= high)
    if not agrees.all():
        row = int(np.argmin(agrees))
        raise EbmoodError(
            f"export: onnxruntime scores row {row} {scores[row]:.9g}, the detector {expected[row]:.9g}; nothing was "
            "written, please report this with your versions of torch and onnxruntime"
        )
    return float((difference / np.maximum(1.0, np.abs(expected))).max())
