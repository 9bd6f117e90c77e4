"""The content of `detector.json`: everything of a fitted detector except its tensors.

The names of the fields are keys of the file, so they must not change.
"""

import re
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, JsonValue, model_validator

from ebmood.core.settings import Settings
from ebmood.detector.calibration_scores import CalibrationScores
from ebmood.detector.energy.score_model import EnergySettings, MemoryLayout
from ebmood.detector.energy.self_test import Probe
from ebmood.detector.history import Event
from ebmood.embedders import EmbedderIdentity

PositiveFinite = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class InputColumns(Settings):
    """The input of the fit.

    Attributes:
        shape: shape of one row, `(D,)` for a table; None if an embedding takes inputs that are not floating-point
            numbers.
        names: column names of a data frame, or None.
    """

    shape: tuple[int, ...] | None
    names: tuple[str, ...] | None


class DetectorMetadata(Settings):
    """Everything of a fitted detector except its tensors.

    Attributes:
        alpha: level of the flags.
        calibration: the parameter of the detector.
        leave_one_out: whether the calibration rows are the training rows, each scored without itself; None in files of
            earlier versions, where `calibration` says it.
        contamination: fraction of the training rows that were left out, `auto` or None.
        memory: what the detector holds.
        supervised: whether the detector learned classes.
        device: device of the fit.
        seed: the seed that `random_state` gave.
        energy: settings of the fitted energy.
        speed: the parameter of the detector; None in files of earlier versions, which do not have it.
        energy_parameter: the parameter `energy` of the detector.
        layout: the sizes of the model. The energy receives its rows after an embedding, if there is one.
        levels: the names of the levels of each category column.
        columns: the input of the fit.
        classes: the classes of a supervised fit.
        training_rows: number of rows on which the energy was fitted.
        left_out_rows: number of rows that `contamination` left out.
        strangest_rows: indices and scores of the strangest rows that were used.
        segment: name or number of the segment column, or None.
        calibration_scores: ascending.
        calibration_segments: for each of them the value of the segment column, None for a missing one; None without
            segments.
        calibration_weights: for each of them its weight; None without weights.
        segment_rows: number of calibration rows that a segment needs to be calibrated on its own.
        calibration_rows_seen: number of calibration rows of which a sample is held; None if none are held.
        class_calibration_scores: for each class, ascending.
        probes: results of the self-test.
        history: the calls that fitted, recalibrated or extended the detector.
        embedding: class name of the user's module; None without one.
        embedder: identity of the embedder of images or texts; None without one.
        versions: versions of the libraries that fitted and wrote the detector.
        notes: JSON values of the caller.
        files: SHA-256 of each file of weights.
    """

    alpha: float = Field(gt=0, lt=1)
    calibration: int | float | Literal["auto", "loo", "last"]
    leave_one_out: bool | None = None
    contamination: float | Literal["auto"] | None = None
    memory: Literal["rows", "prototypes"] = "rows"
    supervised: bool
    device: str
    seed: int
    energy: EnergySettings
    speed: Literal["default", "fast"] | None = None
    energy_parameter: EnergySettings | None = None
    layout: MemoryLayout
    levels: dict[int, tuple[str, ...]] = {}
    columns: InputColumns
    classes: tuple[bool | int | float | str, ...] | None
    training_rows: int = Field(ge=1)
    left_out_rows: int = Field(default=0, ge=0)
    strangest_rows: tuple[tuple[int, float], ...] = ()
    segment: str | int | None = None
    calibration_scores: tuple[float, ...] = Field(min_length=1)
    calibration_segments: tuple[float | None, ...] | None = None
    calibration_weights: tuple[PositiveFinite, ...] | None = None
    segment_rows: int = Field(ge=1)
    calibration_rows_seen: int | None = Field(default=None, ge=1)
    class_calibration_scores: tuple[tuple[float, ...], ...] | None
    probes: tuple[Probe, ...]
    history: tuple[Event, ...] = Field(min_length=1)
    embedding: str | None
    embedder: EmbedderIdentity | None = None
    versions: dict[str, str]
    notes: dict[str, JsonValue]
    files: dict[Literal["score", "embed"], str]

    @model_validator(mode="after")
    def _check_consistency(self) -> "DetectorMetadata":
        all_scores = [self.calibration_scores, *(self.class_calibration_scores or ())]
        for scores in all_scores:
            if any(not abs(score) < float("inf") for score in scores) or list(scores) != sorted(scores):
                raise ValueError("calibration scores must be finite and ascending")
        for values in (self.calibration_segments, self.calibration_weights):
            if values is not None and len(values) != len(self.calibration_scores):
                raise ValueError("every calibration score needs a segment and a weight, or none has one")
        if (self.segment is None) != (self.calibration_segments is None):
            raise ValueError("calibration scores must have segments if there is a segment column")
        classes = len(self.classes or ())
        if len(self.layout.rows) != max(classes, 1):
            raise ValueError("there must be a memory for every class")
        categories = self.layout.table.categories
        if {column: len(names) for column, names in self.levels.items()} != {
            column: len(groups) for column, groups in categories.items()
        }:
            raise ValueError("the names of levels must belong to the category columns")
        has_class_scores = self.classes is not None and not self.has_leave_one_out()
        if has_class_scores != (self.class_calibration_scores is not None) or len(all_scores) - 1 != (
            classes if has_class_scores else 0
        ):
            raise ValueError("there must be calibration scores for every class")
        if self.embedder and (self.embedding or self.columns.shape != (self.embedder.dimension,)):
            raise ValueError("with an embedder, the columns must be its features, and there is no embedding")
        if set(self.files) != {"score"} | ({"embed"} if self.embedding else set()):
            raise ValueError("files must name the weights of the score, and of the embedding if there is one")
        if not all(re.fullmatch("[0-9a-f]{64}", digest) for digest in self.files.values()):
            raise ValueError("files must hold SHA-256 digests")
        return self

    def has_leave_one_out(self) -> bool:
        """Return whether the calibration rows are the training rows, each scored without itself."""
        return self.calibration == "loo" if self.leave_one_out is None else self.leave_one_out

    def calibration_of_rows(self) -> CalibrationScores:
        """Return the calibration scores with their segments and weights."""
        segments, weights = self.calibration_segments, self.calibration_weights
        return CalibrationScores(
            np.array(self.calibration_scores, dtype=np.float64),
            None if segments is None else np.array(segments, dtype=np.float64),  # None becomes NaN
            None if weights is None else np.array(weights, dtype=np.float64),
            self.segment_rows,
        )
