"""Watch the rows that the service scores with an `ebmood.Monitor`, whose state is kept in a file."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pydantic import BaseModel, JsonValue

from ebmood.monitoring import Monitor

BATCH_ROWS = 200
"""Rows that the monitor receives at once. Its tests of features need some rows."""

SAVE_SECONDS = 10.0
"""The file is written after the first batch that ends so long after the last time."""


class FeedState(BaseModel):
    """What is known of a feed.

    Attributes:
        rows: rows that the monitor has received.
        waiting: rows that wait for a full batch.
        log_evidence: natural logarithm of the evidence of a change.
        log_threshold: its value at which an alarm is given.
        has_bound: whether the probability of a false alarm has a bound.
        alarm: the first alarm, or None.
        streams: names of the scores and features whose evidence alone is enough for an alarm now.
        drifted: features of the last batch that differ from the reference rows.
    """

    rows: int
    waiting: int
    log_evidence: float
    log_threshold: float
    has_bound: bool
    alarm: dict[str, JsonValue] | None
    streams: list[str]
    drifted: list[str]


class WatchedFeed:
    """A monitor that receives rows in batches, and saves its state.

    Args:
        monitor: the monitor.
        path: its file, which is written now and then, and by `close`.
    """

    def __init__(self, monitor: Monitor, path: Path):
        self._monitor, self._path = monitor, path
        self._waiting: list[pyarrow.Table | NDArray[np.float64]] = []
        self._waiting_rows = 0
        self._saved = time.monotonic()

    @property
    def state(self) -> FeedState:
        """What is known now."""
        state, settings = self._monitor.state, self._monitor.settings
        drifted = [] if state.batch is None else [str(feature) for feature in state.batch.drifted]
        return FeedState(
            rows=state.rows,
            waiting=self._waiting_rows,
            log_evidence=state.log_evidence,
            log_threshold=settings.log_threshold,
            has_bound=self._monitor.has_bound,
            alarm=None if state.alarm is None else state.alarm.model_dump(mode="json"),
            streams=list(state.streams),
            drifted=drifted,
        )

    def update(self, X: Any) -> None:
        """Add rows, prepared as `EnergyDetector.score_samples` expects them."""
        self._waiting.append(X)
        self._waiting_rows += len(X)
        if self._waiting_rows >= BATCH_ROWS:
            self._pass_on()
            if time.monotonic() - self._saved > SAVE_SECONDS:
                self._monitor.save(self._path)
                self._saved = time.monotonic()

    def close(self) -> None:
        """Pass the waiting rows to the monitor, and save it."""
        if self._waiting:
            self._pass_on()
        self._monitor.save(self._path)

    def _pass_on(self) -> None:
        first = self._waiting[0]
        rows = (
            pyarrow.concat_tables(self._waiting)
            if isinstance(first, pyarrow.Table)
            else np.concatenate(self._waiting)
        )
        self._waiting, self._waiting_rows = [], 0
        self._monitor.update(rows)
