"""The record of one cell: everything that tables and figures may read, one JSON line each."""

import os
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.core.settings import Settings
from ebmood.data.dataset import Kind


class OODResult(Settings):
    """How well one model tells its in-distribution test rows from one out-of-distribution set.

    Attributes:
        name, kind: of the out-of-distribution set.
        rows: rows on each side, after both were cut to the same number.
        aupr_id: area under the precision-recall curve with ID as the positive class (the poster's words).
        aupr_ood: the same with OOD as the positive class (what the authors' code stores).
        auroc: area under the ROC curve: the same whichever side is positive.
        fpr95: share of OOD rows accepted at the threshold that accepts 95 % of the ID rows (ID positive).
    """

    name: str
    kind: Kind
    rows: int
    aupr_id: float
    aupr_ood: float
    auroc: float
    fpr95: float


class Rays(Settings):
    """Log-density along straight lines from ID test rows, in random directions.

    `distance` (T) in units of the scaled data; `median`, `low`, `high` (T): the 50 %, 10 % and 90 % quantiles
    over rays of the log-density less its value at the start of its ray.
    """

    distance: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Landscape(Settings):
    """Log-density on a grid over 2-D data: `value[i][j]` at `(x[j], y[i])`; `rows`: some training rows."""

    x: tuple[float, ...]
    y: tuple[float, ...]
    value: tuple[tuple[float, ...], ...]
    rows: tuple[tuple[float, float], ...]


class Record(Settings):
    """One cell of a study, done or failed.

    Attributes:
        key: digest of the cell's settings and of the data's content.
        dataset: the data set's name; `dataset_digest` its content.
        duplicates: `together` or `across`, as the source was set.
        method: `ssm`, `cd`, `vera`, `radial`, `spline`, or a detector's short name.
        family: `energy`, `flow` or `baseline`.
        variant: `paper`, `sound`, or `both` where the two are the same recipe.
        gamma: weight of the cross-entropy; None without labels.
        bottleneck: share of the channels that the network's bottlenecks let through; None without any.
        embedding: name of the classifier whose features are learnt from; None for the data themselves.
        seed: draws the split, the initialisation and the noise.
        selection: `last`, or `paper` (the leak, by name).
        shortened: training was cut below the protocol's settings.
        degenerate: why the objective cannot learn on this network, or None.
        normalised: scores are log-densities in nats; otherwise their scale and constant are unknown.
        status, reason: `done`, or `failed` and why.
        results: one entry for every out-of-distribution set; empty for a failed cell.
        bits_per_dim: of dequantize ID test images under a flow on images; None for all else, and in records of
            versions that did not measure it.
        rows: number of rows under `train`, `validation`, `test`, `duplicates`, `crossing`.
        losses: columns of the training history: `step` and one per logged quantity.
        events: one line for every time that training diverged, went back to an earlier state, and on.
        scores: up to 500 test scores a set, in the order of the rows; the ID rows stand under `id`.
        pictures: PNG files in base64 by name: `chains`, `generator`.
        small: the data set is one of the paper's, cut; verdicts on it read "small", never more.
        absent: natural sets that were asked for and are not there, with the reason.
        stand_ins: natural sets that stand in for the paper's.
        notes: warnings raised on the way.
        settings: the cell's full settings, as JSON.
        versions: of ebmood, Python, torch and the other libraries that numbers depend on.
        started: ISO 8601 UTC; seconds: wall time.
    """

    key: str
    dataset: str
    dataset_digest: str
    duplicates: Literal["together", "across"]
    method: str
    family: Literal["energy", "flow", "baseline"]
    variant: Literal["paper", "corrected", "both"]
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


def append_record(path: Path, record: Record) -> None:
    """Add one line to the file of records and see it on the disk before returning.

    A torn last line (a crash or a full disk in the middle of an earlier write) is cut off first.

    Raises:
        EbmoodError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            _cut_torn_line(file)
            file.write(record.model_dump_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise EbmoodError(
            f"{path}: cannot be written ({error.strerror}); choose another folder with -o"
        ) from error


def read_records(path: Path) -> list[Record]:
    """All records of a file, oldest first; none where there is no file. A torn last line is passed over.

    Raises:
        EbmoodError: a whole line is not a record (the message names it), or the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise EbmoodError(f"{path}: cannot be read ({error.strerror})") from error
    records = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            records.append(Record.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the line"
            raise EbmoodError(
                f"{path}, line {number}: not a record of this version ({where}: {first['msg']}); "
                "move the file away or choose another folder with -o"
            ) from error
    return records


def _cut_torn_line(file) -> None:
    size = file.seek(0, os.SEEK_END)
    step = 65536
    at = size
    while at > 0:
        start = max(0, at - step)
        file.seek(start)
        block = file.read(at - start)
        newline = block.rfind(b"\n")
        if newline >= 0:
            if start + newline + 1 < size:
                file.truncate(start + newline + 1)
            return
        at = start
    file.truncate(0)
