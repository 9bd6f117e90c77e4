"""The record of one cell: all values that tables and figures read, one JSON line per record."""

import os
from pathlib import Path
from typing import Any, BinaryIO, Literal

from pydantic import ValidationError, model_validator

from ebmood.core.errors import EbmoodError, setting_problem
from ebmood.core.interface import for_interface
from ebmood.core.moved_weight import MovedWeight
from ebmood.core.settings import Settings
from ebmood.data.dataset import Kind
from ebmood.study.migration import current_record


class OODResult(Settings):
    """How well one model separates its in-distribution test rows from one out-of-distribution set.

    Attributes:
        name, kind: name and kind of the out-of-distribution set.
        rows: number of rows on each side, after both were cut to the same number.
        aupr_id: area under the precision-recall curve, ID positive (as the poster says).
        aupr_ood: the same area, OOD positive (as the authors' code stores).
        auroc: area under the ROC curve; it does not depend on the positive class.
        fpr95: fraction of OOD rows accepted at the threshold that accepts 95 % of the ID rows.
    """

    name: str
    kind: Kind
    rows: int
    aupr_id: float
    aupr_ood: float
    auroc: float
    fpr95: float


class ScoreResults(Settings):
    """How well another score of the same trained model separates the sets.

    Attributes:
        score: name of the score in tables.
        status, reason: `done`, or `failed` and the reason.
        results: one entry per out-of-distribution set; `rows` counts batches if the score is one of batches.
    """

    score: str
    status: Literal["done", "failed"]
    reason: str | None = None
    results: tuple[OODResult, ...] = ()


class Rays(Settings):
    """Change of the log-density along straight lines from ID test rows in random directions.

    Attributes:
        distance: `(T,)` distances from the start, in units of the scaled data.
        median, low, high: `(T,)` quantiles 50 %, 10 % and 90 % over rays of the log-density minus its value at
            the start of the ray.
    """

    distance: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Landscape(Settings):
    """Log-density on a grid around two-dimensional data.

    Attributes:
        x, y: coordinates of the grid.
        value: `value[i][j]` is the log-density at `(x[j], y[i])`.
        rows: some training rows.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    value: tuple[tuple[float, ...], ...]
    rows: tuple[tuple[float, float], ...]


class Record(Settings):
    """One cell of a study, done or failed. Records of version 0.1 are converted when they are read.

    Attributes:
        key: digest of the cell's settings and of the content of its data.
        dataset, dataset_digest: name of the data set, and digest of its content.
        duplicates: `together` or `across`, see `ebmood.data.source.Source`.
        method: `ssm`, `cd`, `vera`, `radial`, `spline`, or the class name of a detector.
        title: name of the method in tables and figures.
        family: `energy`, `flow`, or `baseline`: a method that enters no comparison of the paper.
        variant: `paper`, `corrected`, `modern`, or `both` where the corrections do not change the recipe.
        gamma: weight of the cross-entropy; None without labels.
        bottleneck: fraction of channels that remain in the network's bottlenecks; None without bottlenecks.
        embedding: name of the classifier whose features were learnt from; None for the data themselves.
        seed: seed of the split, the initialisation and the noise.
        selection: `last`, or `paper` (selection of checkpoints on OOD rows, a leak).
        shortened: whether training was shorter than in the protocol.
        degenerate: why the objective cannot learn a density with this network, or None.
        normalised: whether scores are log-densities in nats; otherwise their scale and offset are unknown.
        status, reason: `done`, or `failed` and the reason.
        results: one entry per out-of-distribution set; empty for a failed cell.
        score: name of the score of `results`, for a score of several models; None for the log-density, or for the score
            of a detector.
        members: keys of the cells of the models that this score combines; empty for one model.
        twin_of: key of the cell that this one repeats with one last bit of one weight moved before the training; None
            for an ordinary cell. Records of twins enter no result; they are compared with those of their cells only.
        nudge: the weight that was moved, with its values; None for an ordinary cell.
        density_scores: other scores of the same trained model.
        accuracy: fraction of ID test rows whose class the model predicts; None for models without classes, and in
            records of versions before 0.7.
        bits_per_dim: mean bits per dimension of dequantized ID test images under an image flow, otherwise None.
        rows: numbers of rows: `train`, `validation`, `test`, `duplicates`, `crossing`.
        losses: columns of the training history: `step` and one per logged value.
        events: one line per rollback of the training.
        scores: up to 500 test scores per set, in the order of the rows; those of ID rows under `id`.
        rays, landscape: see `Rays` and `Landscape`.
        pictures: grids of samples, PNG in base64, by name: `chains`, `generator`.
        small: whether the data set is a reduced version of one of the paper's; verdicts on it are `small`.
        absent: missing natural OOD sets, with the reason.
        stand_ins: natural OOD sets that replace those of the paper.
        notes: warnings of the run.
        settings: full settings of the cell, as JSON.
        versions: versions of Python and of the libraries that the numbers depend on.
        started, seconds: start in ISO 8601 (UTC), and duration.
    """

    key: str
    dataset: str
    dataset_digest: str
    duplicates: Literal["together", "across"]
    method: str
    title: str
    family: Literal["energy", "flow", "baseline"]
    variant: Literal["paper", "corrected", "modern", "both"]
    gamma: float | None
    bottleneck: float | None = None
    embedding: str | None = None
    seed: int
    selection: Literal["last", "paper"]
    shortened: bool
    degenerate: str | None
    normalised: bool
    status: Literal["done", "failed"]
    reason: str | None = None
    results: tuple[OODResult, ...] = ()
    score: str | None = None
    members: tuple[str, ...] = ()
    twin_of: str | None = None
    nudge: MovedWeight | None = None
    density_scores: tuple[ScoreResults, ...] = ()
    accuracy: float | None = None
    bits_per_dim: float | None = None
    rows: dict[str, int] = {}
    losses: dict[str, tuple[float, ...]] = {}
    events: tuple[str, ...] = ()
    scores: dict[str, tuple[float, ...]] = {}
    rays: Rays | None = None
    landscape: Landscape | None = None
    pictures: dict[str, str] = {}
    small: bool = False
    absent: dict[str, str] = {}
    stand_ins: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    settings: dict = {}
    versions: dict[str, str] = {}
    started: str = ""
    seconds: float = 0.0

    @model_validator(mode="before")
    @classmethod
    def _convert(cls, values: Any) -> Any:
        return current_record(values) if isinstance(values, dict) else values


def append_record(path: Path, record: Record) -> None:
    """Append one line to a file of records and flush it to the disk.

    An incomplete last line of an earlier write (after a crash, or on a full disk) is removed first.

    Raises:
        EbmoodError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            _remove_incomplete_line(file)
            file.write(record.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EbmoodError(
            f"{path}: cannot be written ({error.strerror}); choose another folder{for_interface(' with -o', '')}"
        ) from error


def read_records(path: Path) -> list[Record]:
    """Return all records of a file, oldest first. An incomplete last line is ignored.

    Args:
        path: the file; if it does not exist, the result is empty.

    Raises:
        EbmoodError: a complete line is not a record, or the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror})") from error
    return [_parse(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def _parse(path: Path, number: int, line: bytes) -> Record:
    try:
        return Record.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "the line"
        raise EbmoodError(
            f"{path}, line {number}: not a record of this version ({key}: {setting_problem(error)}); "
            f"move the file or choose another folder{for_interface(' with -o', '')}"
        ) from error


def _remove_incomplete_line(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    block_size = 65536
    end = size
    while end > 0:
        start = max(0, end - block_size)
        file.seek(start)
        newline = file.read(end - start).rfind(b"\n")
        if newline >= 0:
            if start + newline + 1 < size:
                file.truncate(start + newline + 1)
            return
        end = start
    file.truncate(0)
