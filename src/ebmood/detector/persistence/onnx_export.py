"""A fitted detector as one ONNX graph: rows in, scores and p-values out, compared with ours before it is written.

    x        (N, *shape) float64, finite, columns in the order of the fit
    score    (N,) float64, higher is more in-distribution
    p_value  (N,) float64, in (0, 1]

Everything in between is in the graph: preprocessing, the embedding if there is one, the energy, and the calibration
scores, which the p-value looks up by bisection. The graph's metadata say which columns it takes, what it was
calibrated with, and the notes of the saved detector; medians and categories among those (`ebmood fit --impute`,
`--one-hot`) are to be applied before the graph. Networks compute in float32, in another order of additions than ours,
so scores agree to about seven digits; a p-value can differ where a score ties with a calibration score within that.
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
from torch import Tensor, nn

from ebmood.core.errors import EbmoodError, InputError
from ebmood.core.files import atomic_path
from ebmood.core.seeding import numpy_stream
from ebmood.detector.user_embedding import TOLERATED, widths

if TYPE_CHECKING:
    from ebmood.detector.estimator import EnergyDetector

Floats = NDArray[np.float64]

NEEDED = ("onnx", "onnxscript", "onnxruntime")
OPSET = 18
ROWS = 512
TOLERANCE = 1e-5
DISTANCES = (1.0, 10.0, 1e3, 1e6)  # training ranges


@dataclass(frozen=True)
class Agreement:
    """How onnxruntime's answers compare with ours.

    Attributes:
        rows: how many sample rows were compared.
        largest: the largest `|a - b| / max(1, |a|)` of their scores.
        ties: p-values that differ, each of a score that ties with a calibration score within the tolerance.
    """

    rows: int
    largest: float
    ties: int


class DetectorGraph(nn.Module):
    """What is exported: `(N, *shape) -> (N,), (N,)`, scores and p-values; see the module's head."""

    embedding: nn.Module | None
    calibration: Tensor
    least: Tensor
    most: Tensor
    width: Tensor

    def __init__(self, detector: "EnergyDetector"):
        super().__init__()
        scorer = detector.scorer_
        self.model = scorer.model
        self.embedding = scorer.embedding
        self.shape = scorer.shape
        self.rows = len(detector.calibration_scores_)
        self.halvings = self.rows.bit_length()
        padded = np.full(2**self.halvings, np.inf)  # plus infinity is above every score
        padded[: self.rows] = detector.calibration_scores_
        self.register_buffer("calibration", torch.from_numpy(padded))
        if self.embedding is not None and scorer.ranges is not None:
            width = widths(scorer.ranges)
            self.register_buffer("least", torch.from_numpy(scorer.ranges[0]))
            self.register_buffer("most", torch.from_numpy(scorer.ranges[1]))
            self.register_buffer("width", torch.from_numpy(width))
            self.lowest = float(scorer.lowest[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and p-values."""
        score = self.model(x) if self.embedding is None else self._embedded(self.embedding, x.flatten(1))
        return score, (1.0 + self._below(score)) / (1.0 + self.rows)

    def _below(self, score: Tensor) -> Tensor:
        """How many calibration scores are at or below each score: bisection, as ONNX has no sorted search."""
        found = torch.zeros_like(score, dtype=torch.int64)
        for power in reversed(range(self.halvings)):
            further = found + 2**power
            found = torch.where(self.calibration[further - 1] <= score, further, found)
        return found.to(torch.float64)

    def _embedded(self, embedding: nn.Module, x: Tensor) -> Tensor:
        """As `RowScorer.of_values` does it: far-out rows are drawn back, and their scores lowered."""
        margin = TOLERATED * self.width
        near = torch.minimum(torch.maximum(x, self.least - margin), self.most + margin)
        largest = torch.finfo(torch.float32).max
        items = near.clamp(-largest, largest).to(torch.float32).reshape(-1, *(self.shape or ()))
        score = self.model(embedding(items).flatten(1).to(torch.float64))
        excess = torch.maximum(self.least - x, x - self.most).div(self.width).clamp(0.0, 1e300).amax(1)
        below = self.lowest - torch.log((excess / TOLERATED).clamp(min=1.0))
        return torch.where(excess > TOLERATED, torch.minimum(score, below), score)


def export_onnx(detector: "EnergyDetector", path: Path | str) -> Agreement:
    """Write the detector to `path` as an ONNX graph that agrees with it on sample rows; see the module's head.

    Sample rows mix quantiles of the training rows, feature by feature, and lie up to a million ranges outside.

    Args:
        detector: fitted, on a table or on arrays of floats.
        path: the file, replaced if it is there.

    Returns:
        How well the two agreed.

    Raises:
        EbmoodError: the extra `onnx` is not installed, an embedding cannot be exported, the file cannot be written, or
            a score or p-value differs by more than rounding; nothing is written then.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise EbmoodError(
            f"export needs {', '.join(missing)}; install them with `pip install 'ebmood[onnx]'`"
        )
    if detector.shape_in_ is None:
        raise InputError(
            "export: the inputs of embed= are no arrays of floats, which is what an ONNX graph takes"
        )
    path = Path(path)
    if path.is_dir():
        raise EbmoodError(f"{path}: is a folder; name a file to export to, as {path / 'model.onnx'}")
    rows = sample_rows(detector)
    model = _converted(
        copy.deepcopy(DetectorGraph(detector)).cpu().eval(), rows.reshape(-1, *detector.shape_in_)
    )
    model.producer_name, model.producer_version = "ebmood", version("ebmood")
    for key, value in _metadata(detector).items():
        model.metadata_props.add(key=key, value=value)
    with atomic_path(path) as temporary:
        try:
            temporary.write_bytes(model.SerializeToString())
        except ValueError as error:  # of protobuf
            raise EbmoodError(
                f"{path}: the graph is larger than the 2 GB of an ONNX file ({error})"
            ) from error
        return compare(detector, temporary, rows)


def compare(detector: "EnergyDetector", path: Path | str, rows: Floats) -> Agreement:
    """Score flat `rows` `(N, D)` with the graph in `path` and with the detector.

    Raises:
        EbmoodError: scores differ by more than 1e-5 max(1, |a|), or p-values where scores do not tie within that.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors; it warns of constants that it does not fold
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    shaped = rows.reshape(-1, *(detector.shape_in_ or ()))
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        theirs, their_p = (np.asarray(answer) for answer in session.run(["score", "p_value"], {"x": shaped}))
    except Exception as error:  # onnxruntime's errors have no public base
        lines = str(error).splitlines() or [type(error).__name__]
        raise EbmoodError(f"export: onnxruntime cannot run the graph: {lines[0][:300]}") from error
    ours = detector.scorer_.of_values(rows)
    our_p = _p_values(detector, ours)
    allowed = TOLERANCE * np.maximum(1.0, np.abs(ours))
    difference = np.abs(theirs - ours)
    if not (difference <= allowed).all():  # a NaN is no agreement either
        row = int(np.argmax(np.nan_to_num(difference / allowed, nan=np.inf)))
        raise EbmoodError(
            f"export: onnxruntime scores sample row {row} {theirs[row]:.9g} where the detector says {ours[row]:.9g}; "
            "nothing was written, please report this with your versions of torch and onnxruntime"
        )
    between = (_p_values(detector, ours - allowed) <= their_p) & (
        their_p <= _p_values(detector, ours + allowed)
    )
    if not between.all():
        row = int(np.argmin(between))
        raise EbmoodError(
            f"export: onnxruntime gives sample row {row} the p-value {their_p[row]:.6g}, the detector "
            f"{our_p[row]:.6g}; nothing was written, please report this"
        )
    return Agreement(
        len(rows), float((difference / np.maximum(1.0, np.abs(ours))).max()), int((their_p != our_p).sum())
    )


def sample_rows(detector: "EnergyDetector") -> Floats:
    """Rows to compare on, `(N, D)`: inside the training ranges, a little outside, and far away.

    With an embedding none are far away: nothing bounds how much such a network enlarges float32's rounding there.
    """
    ranges, quantiles = detector.scorer_.ranges, detector.replacements_
    assert ranges is not None
    assert quantiles is not None
    stream = numpy_stream(detector.seed_, "export")
    which = stream.integers(len(quantiles), size=(ROWS, ranges.shape[1]))
    inside = np.take_along_axis(quantiles, which, axis=0)
    inside += 0.05 * stream.standard_normal(inside.shape) * widths(ranges)
    rows = [quantiles, inside]
    for distance in DISTANCES if detector.scorer_.embedding is None else DISTANCES[:1]:
        direction = stream.uniform(-1, 1, (ROWS // 8, ranges.shape[1]))
        rows.append(inside[: ROWS // 8] + distance * direction * widths(ranges))
    if detector.scorer_.embedding is None:
        rows += [np.full((1, ranges.shape[1]), value) for value in (-1e300, 1e300)]
    return np.concatenate(rows)


def _p_values(detector: "EnergyDetector", scores: Floats) -> Floats:
    from ebmood.core.calibration import p_values

    return p_values(scores, detector.calibration_scores_)


def _converted(graph: DetectorGraph, rows: Floats) -> Any:
    """The ONNX model of `graph`, traced on a few rows."""
    few = torch.from_numpy(rows[:3].copy())
    try:
        with warnings.catch_warnings(), _quiet(), torch.no_grad():
            warnings.simplefilter("ignore")  # the exporter's, on its own insides
            program = torch.onnx.export(
                graph,
                (few,),
                input_names=["x"],
                output_names=["score", "p_value"],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
                opset_version=OPSET,
                dynamo=True,
                optimize=False,  # onnxscript's folds two equal Clips into none; onnxruntime optimises at loading
                verbose=False,
            )
    except Exception as error:  # of many kinds, on operators that ONNX lacks
        lines = str(error).splitlines() or [type(error).__name__]
        what = "the embedding" if graph.embedding is not None else "the detector"
        raise EbmoodError(f"export: torch cannot turn {what} into ONNX: {lines[0][:200]}") from error
    assert program is not None
    return program.model_proto


def _metadata(detector: "EnergyDetector") -> dict[str, str]:
    offset = detector.offset_ if math.isfinite(detector.offset_) else None
    return {
        "columns": json.dumps(detector.column_labels()),
        "alpha": json.dumps(float(detector.alpha)),
        "offset": json.dumps(offset),
        "notes": json.dumps(getattr(detector, "notes_", {})),
        "calibration_rows": json.dumps(len(detector.calibration_scores_)),
    }


@contextlib.contextmanager
def _quiet():
    """The exporter's talk of its own steps helps nobody here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
