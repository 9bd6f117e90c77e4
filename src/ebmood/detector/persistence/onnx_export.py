"""Export a fitted detector as one ONNX graph, after a comparison of the graph with the detector.

The graph holds everything from raw rows to p-values: embedding if there is one, views, energies, training rows in
memory, and calibration scores. Its inputs and outputs are described in `ebmood.detector.persistence.onnx_graph`. Its
metadata hold the columns, the levels of categories, the settings of the calibration, and the notes of the saved
detector.

Sums are added in another order than in PyTorch, so scores agree to about seven digits. A p-value can differ if its
score is equal to a calibration score within that precision.
"""

import contextlib
import copy
import importlib.util
import json
import logging
import math
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ebmood.core.calibration import p_values
from ebmood.core.errors import EbmoodError, InputError, one_line
from ebmood.core.files import atomic_path
from ebmood.core.seeding import numpy_stream
from ebmood.detector.energy.training_ranges import range_widths
from ebmood.detector.persistence.onnx_graph import DetectorGraph

if TYPE_CHECKING:
    from ebmood.detector.estimator import EnergyDetector

Floats = NDArray[np.float64]

REQUIRED_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
SAMPLE_ROWS = 512
TOLERANCE = 1e-5
EMBEDDING_TOLERANCE = 1e-3  # an embedding computes in float32, whose rounding errors change ranks of features
GAPS = 0.1  # fraction of the cells of some sample rows
DISTANCES = (1.0, 10.0, 1e3, 1e6)  # training ranges


@dataclass(frozen=True)
class Agreement:
    """How well the results of onnxruntime agree with the detector.

    Attributes:
        rows: number of sample rows.
        largest: largest relative difference `|a - b| / max(1, |a|)` of the scores.
        ties: number of p-values that differ, because a score equals a calibration score within the tolerance.
    """

    rows: int
    largest: float
    ties: int


def export_onnx(detector: "EnergyDetector", path: Path | str) -> Agreement:
    """Write the detector to `path` as an ONNX graph that agrees with it on sample rows.

    Args:
        detector: fitted on a table or on arrays of floating-point numbers.
        path: the file; replaced if it exists.

    Returns:
        How well graph and detector agree.

    Raises:
        EbmoodError: the extra `onnx` is not installed, an embedding cannot be exported, the file cannot be written, or
            a score or p-value differs by more than rounding. Then nothing is written.
    """
    _check_exportable(detector)
    path = Path(path)
    if path.is_dir():
        raise EbmoodError(f"{path}: is a folder; give a file to export to, such as {path / 'model.onnx'}")
    rows = sample_rows(detector)
    graph = copy.deepcopy(DetectorGraph(detector)).cpu().eval()
    model = _convert(graph, rows.reshape(-1, *(detector.shape_in_ or ())))
    model.producer_name, model.producer_version = "ebmood", version("ebmood")
    for key, value in _metadata(detector).items():
        model.metadata_props.add(key=key, value=value)
    with atomic_path(path) as temporary:
        try:
            temporary.write_bytes(model.SerializeToString())
        except ValueError as error:  # raised by protobuf
            raise EbmoodError(
                f"{path}: the graph exceeds 2 GB, the limit of an ONNX file ({error})"
            ) from error
        return compare(detector, temporary, rows)


def compare(detector: "EnergyDetector", path: Path | str, rows: Floats) -> Agreement:
    """Score flat `rows` `(N, D)` with the graph in `path` and with the detector, and compare the results.

    Raises:
        EbmoodError: scores differ by more than 1e-5 max(1, |a|), or 1e-3 max(1, |a|) with an embedding; or p-values
            differ although no score ties.
    """
    graph_scores, graph_p = run_graph(path, rows.reshape(-1, *(detector.shape_in_ or ())))
    calibration = detector.calibration_scores_
    scores = detector.scorer_.score_rows(rows)
    p = p_values(scores, calibration)
    tolerance = TOLERANCE if detector.scorer_.embedding is None else EMBEDDING_TOLERANCE
    allowed = tolerance * np.maximum(1.0, np.abs(scores))
    difference = np.abs(graph_scores - scores)
    if not (difference <= allowed).all():  # also if the difference is NaN
        row = int(np.argmax(np.nan_to_num(difference / allowed, nan=np.inf)))
        raise EbmoodError(
            f"export: onnxruntime scores sample row {row} {graph_scores[row]:.9g}, the detector {scores[row]:.9g}; "
            "nothing was written, please report this with your versions of torch and onnxruntime"
        )
    lowest_p, highest_p = p_values(scores - allowed, calibration), p_values(scores + allowed, calibration)
    plausible = (lowest_p <= graph_p) & (graph_p <= highest_p)
    if not plausible.all():
        row = int(np.argmin(plausible))
        raise EbmoodError(
            f"export: onnxruntime gives sample row {row} the p-value {graph_p[row]:.6g}, the detector {p[row]:.6g}; "
            "nothing was written, please report this"
        )
    largest = float((difference / np.maximum(1.0, np.abs(scores))).max())
    return Agreement(len(rows), largest, int((graph_p != p).sum()))


def sample_rows(detector: "EnergyDetector") -> Floats:
    """Return rows for the comparison, `(N, D)`: inside the training ranges, slightly outside, and far outside.

    They mix quantiles of the training rows in every feature, and lie up to a million ranges outside. Some have gaps,
    and some have levels of categories that no training row has. With an embedding
    they lie one range outside at most, because an arbitrary network may amplify the rounding errors of distant rows.
    """
    ranges, quantiles = detector.scorer_.ranges, detector.replacements_
    assert ranges is not None
    assert quantiles is not None
    stream = numpy_stream(detector.seed_, "export")
    indices = stream.integers(len(quantiles), size=(SAMPLE_ROWS, ranges.shape[1]))
    inside = np.take_along_axis(quantiles, indices, axis=0)
    inside += 0.05 * stream.standard_normal(inside.shape) * range_widths(ranges)
    categories = list(detector.levels_)
    inside[:, categories] = np.take_along_axis(quantiles, indices, axis=0)[:, categories]
    if detector.scorer_.embedding is None:
        inside[: SAMPLE_ROWS // 4][stream.random((SAMPLE_ROWS // 4, ranges.shape[1])) < GAPS] = np.nan
    rows = [quantiles, inside]
    for distance in DISTANCES if detector.scorer_.embedding is None else DISTANCES[:1]:
        direction = stream.uniform(-1, 1, (SAMPLE_ROWS // 8, ranges.shape[1]))
        rows.append(inside[: SAMPLE_ROWS // 8] + distance * direction * range_widths(ranges))
    if detector.scorer_.embedding is None:
        rows += [np.full((1, ranges.shape[1]), value) for value in (-1e300, 1e300)]
    return np.concatenate(rows)


def check_packages() -> None:
    """Check that the packages of the extra `onnx` are installed.

    Raises:
        EbmoodError: one is missing.
    """
    missing = [name for name in REQUIRED_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise EbmoodError(
            f"export needs {', '.join(missing)}; install them with `pip install 'ebmood[onnx]'`"
        )


def _check_exportable(detector: "EnergyDetector") -> None:
    check_packages()
    if detector.embedder_ is not None:
        raise InputError(
            f"export: the ONNX graph takes rows of numbers, but the detector was fitted with the embedder "
            f"{detector.embedder_.identity.name}; use ebmood score"
        )
    if detector.shape_in_ is None:
        raise InputError(
            "export: the inputs of embed= are not arrays of floating-point numbers, which an ONNX graph needs"
        )
    _refuse_segments_and_weights(detector)


def _refuse_segments_and_weights(detector: "EnergyDetector") -> None:
    if detector.segment_column_ is not None:
        raise InputError(
            f"export: the ONNX graph has no p-values by segment; fit without segment={detector.segment!r}"
        )
    if detector.calibration_.weights is not None:
        raise InputError("export: the ONNX graph has no weights; recalibrate without weights first")


def run_graph(path: Path | str, rows: NDArray) -> tuple[Floats, Floats]:
    """Return scores and p-values of the graph in `path`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; it warns of constants that it does not fold
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        scores, p = session.run(["score", "p_value"], {"x": rows})
    except Exception as error:  # the errors of onnxruntime have no public base class
        raise EbmoodError(f"export: onnxruntime cannot run the graph: {one_line(error)}") from error
    return np.asarray(scores), np.asarray(p)


def _convert(graph: DetectorGraph, rows: Floats) -> Any:
    """Return the ONNX model of `graph`, traced on three rows."""
    example = torch.from_numpy(rows[:3].copy())
    try:
        with warnings.catch_warnings(), quiet_exporter(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter warns of its own internals
            program = torch.onnx.export(
                graph,
                (example,),
                input_names=["x"],
                output_names=["score", "p_value"],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
                opset_version=OPSET,
                dynamo=True,
                optimize=False,  # the optimiser of onnxscript removes a Clip that is needed
                verbose=False,
            )
    except Exception as error:  # many types, for operators that ONNX lacks
        part = "the embedding" if graph.embedding is not None else "the detector"
        raise EbmoodError(f"export: torch cannot convert {part} to ONNX: {one_line(error)}") from error
    assert program is not None
    return program.model_proto


def _metadata(detector: "EnergyDetector") -> dict[str, str]:
    offset = detector.offset_ if math.isfinite(detector.offset_) else None
    return {
        "columns": json.dumps(detector.column_labels()),
        "categories": json.dumps(
            {detector.column_labels()[column]: levels for column, levels in detector.levels_.items()}
        ),
        "alpha": json.dumps(float(detector.alpha)),
        "offset": json.dumps(offset),
        "notes": json.dumps(getattr(detector, "notes_", {})),
        "calibration_rows": json.dumps(len(detector.calibration_scores_)),
    }


@contextlib.contextmanager
def quiet_exporter():
    """Suppress the log messages of the exporter about its own steps."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
