"""The file of a monitor: JSON and arrays in one safetensors file, without pickles.

The arrays are the sorted pools, the wealth of every bet and the reference rows that the caller gave. The JSON is the
metadata `monitor`. A SHA-256 of both shows that the file is complete and unchanged.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as arrays_to_bytes

from ebmood.core.errors import EbmoodError, InputError, one_line
from ebmood.core.files import atomic_path
from ebmood.core.settings import Settings
from ebmood.detector.calibrated import Calibrated
from ebmood.monitoring.settings import MonitorSettings
from ebmood.monitoring.state import Alarm, Batch

if TYPE_CHECKING:
    from ebmood.monitoring.monitor import Monitor

Floats = NDArray[np.float64]

FORMAT = "ebmood-monitor-2"
FORMATS = ("ebmood-monitor-1", FORMAT)
"""Formats that are read. Version 2 adds strata."""


class GeneratorState(Settings):
    """The state of a PCG64 generator. Its numbers have 128 bits, so they are hexadecimal text."""

    position: str
    increment: str

    @classmethod
    def of(cls, generator: np.random.Generator) -> "GeneratorState":
        """Return the state of a generator that draws float64 numbers only."""
        state: Any = generator.bit_generator.state["state"]
        return cls(position=hex(state["state"]), increment=hex(state["inc"]))

    def state(self) -> dict[str, Any]:
        """Return the state as NumPy needs it."""
        numbers = {"state": int(self.position, 16), "inc": int(self.increment, 16)}
        return {"bit_generator": "PCG64", "state": numbers, "has_uint32": 0, "uinteger": 0}


class MonitorContent(Settings):
    """Everything of a monitor except its arrays.

    Attributes:
        detector: SHA-256 of the detector.
        settings: the settings of the monitor.
        rows: rows of the feed so far.
        pool_rows: those of them that are in the pools of one stream.
        generator: the state of the random numbers.
        alarm: the first alarm.
        restarts: number of alarms of the restart rule.
        restarted: the latest of them.
        batches: the batches.
        notes: JSON values of the caller.
    """

    detector: str
    settings: MonitorSettings
    rows: int
    pool_rows: int
    generator: GeneratorState
    alarm: Alarm | None
    restarts: int
    restarted: tuple[Alarm, ...]
    batches: tuple[Batch, ...]
    notes: dict[str, JsonValue]


@dataclass(frozen=True)
class SavedMonitor:
    """The content of a file. The arrays are those of `Monitor` and its parts.

    `pool_sizes` is `(S, G)` for S streams and G strata, and `pool_feed_rows` is `(G,)`, the same for all streams.
    """

    content: MonitorContent
    pools: tuple[Floats, ...]
    pool_sizes: NDArray[np.int64]
    pool_feed_rows: NDArray[np.int64]
    log_wealth: Floats
    log_ratio: Floats
    change: NDArray[np.int64]
    log_evidence: Floats
    log_statistics: Floats
    reference: Floats | None


def save_monitor(monitor: "Monitor", path: Path, notes: Mapping[str, JsonValue]) -> None:
    """Save a monitor; this implements `Monitor.save`."""
    martingale = monitor.martingale
    arrays = {f"pool-{s}": pool.values() for s, pool in enumerate(monitor.pools)} | {
        "pool_sizes": np.stack([pool.sizes() for pool in monitor.pools]),
        "pool_feed_rows": monitor.pools[0].feed_rows(),
        "log_wealth": martingale.log_wealth,
        "log_ratio": martingale.log_ratio,
        "change": martingale.change,
        "log_evidence": monitor.log_evidence,
    }
    if monitor.restart is not None:
        arrays["log_statistics"] = monitor.restart.log_statistics
    if monitor.reference.given:
        arrays["reference"] = monitor.reference.rows
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = MonitorContent(
        detector=monitor.detector.digest(),
        settings=monitor.settings,
        rows=monitor.rows,
        pool_rows=int(monitor.pools[0].feed_rows().sum()),
        generator=GeneratorState.of(monitor.generator),
        alarm=monitor.alarm,
        restarts=monitor.restarts,
        restarted=monitor.restarted,
        batches=monitor.batches,
        notes=dict(notes),
    ).model_dump_json()
    metadata = {"format": FORMAT, "monitor": content, "sha256": _digest(content, arrays)}
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(arrays_to_bytes(arrays, metadata=metadata))
        file.flush()
        os.fsync(file.fileno())


def read_monitor(path: Path, detector: Calibrated) -> SavedMonitor:
    """Read what `save_monitor` wrote.

    Raises:
        EbmoodError: there is no monitor, it was changed or truncated, or it belongs to another detector.
    """
    content, arrays = _read(path)
    if content.detector != detector.digest():
        raise InputError(
            f"{path}: belongs to another detector; give the detector with which it was made, or start with a new file"
        )
    try:
        pools = tuple(arrays[f"pool-{s}"] for s in range(len(arrays["log_wealth"])))
        return SavedMonitor(
            content,
            pools=pools,
            pool_sizes=arrays.get("pool_sizes", np.array([[len(pool)] for pool in pools])),
            pool_feed_rows=arrays.get("pool_feed_rows", np.array([content.pool_rows])),
            log_wealth=arrays["log_wealth"],
            log_ratio=arrays["log_ratio"],
            change=arrays["change"],
            log_evidence=arrays["log_evidence"],
            log_statistics=arrays.get("log_statistics", np.empty(0)),
            reference=arrays.get("reference"),
        )
    except KeyError as error:
        raise EbmoodError(f"{path}: has no array {error}; start with a new file") from error


def _read(path: Path) -> tuple[MonitorContent, dict[str, NDArray]]:
    if not path.is_file():
        raise EbmoodError(f"{path}: no such file; give the file of a saved monitor")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError) as error:
        raise EbmoodError(
            f"{path}: not a saved monitor, or truncated ({one_line(error)}); start with a new file"
        ) from error
    if metadata.get("format") not in FORMATS:
        raise EbmoodError(f"{path}: not a monitor of this version of ebmood; start with a new file")
    text = metadata.get("monitor", "")
    if metadata.get("sha256") != _digest(text, arrays):
        raise EbmoodError(
            f"{path}: changed since it was written (the SHA-256 differs); start with a new file"
        )
    try:
        return MonitorContent.model_validate_json(text), arrays
    except ValidationError as error:
        raise EbmoodError(f"{path}: {one_line(error)}; ebmood did not write this file") from error


def _digest(text: str, arrays: Mapping[str, NDArray]) -> str:
    hasher = hashlib.sha256(text.encode())
    for name, array in sorted(arrays.items()):
        hasher.update(f"{name} {array.dtype} {array.shape}".encode())
        hasher.update(array.tobytes())
    return hasher.hexdigest()
