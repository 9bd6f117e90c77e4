"""The progress of a running cell: one small JSON file that its worker overwrites and that displays read.

A file works across processes, cluster nodes and terminals: `cat FOLDER/progress/*.json` shows a running study.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from ebmood.core.errors import EbmoodError
from ebmood.core.files import write_text
from ebmood.core.settings import Settings
from ebmood.training import Progress

INTERVAL = 1.0
"""Smallest number of seconds between two writes."""


class Snapshot(Settings):
    """The last progress report of a running cell.

    Attributes:
        step, steps: current step of the training, and the number of steps.
        losses: losses by name at this step.
        seconds: time since the start of the cell.
        rollbacks: number of rollbacks so far.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float
    rollbacks: int = 0

    @property
    def remaining(self) -> float | None:
        """Estimated seconds until the last step, or None before the first step.

        >>> Snapshot(step=1, steps=4, losses={}, seconds=2.0).remaining
        6.0
        """
        return self.seconds / self.step * max(self.steps - self.step, 0) if self.step else None


class SnapshotWriter:
    """A progress callback that writes a `Snapshot` to `path`, at most once a second.

    It does nothing if the folder of `path` does not exist, as on a cluster node without a shared disk.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic):
        self.path = path
        self._clock = clock
        self._start = clock()
        self._last_write = -float("inf")

    def __call__(self, progress: Progress) -> None:
        """Write a snapshot of `progress` if the last one is old enough."""
        now = self._clock()
        if now - self._last_write < INTERVAL or not self.path.parent.is_dir():
            return
        self._last_write = now
        snapshot = Snapshot(
            step=progress.step,
            steps=progress.steps,
            losses=dict(progress.losses),
            seconds=now - self._start,
            rollbacks=progress.attempt,
        )
        with suppress(EbmoodError):  # A full disk must not stop the training.
            write_text(self.path, snapshot.model_dump_json())


def read_snapshot(path: Path) -> Snapshot | None:
    """Return the snapshot in `path`, or None if it does not exist or is incomplete."""
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
