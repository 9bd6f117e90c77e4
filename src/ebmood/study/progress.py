"""How far a running cell is: one small JSON file, overwritten by its worker and read by whoever watches.

A file crosses processes, cluster nodes and terminals alike: `cat OUT/progress/*.json` shows a study at work.
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

EVERY = 1.0
"""Seconds between two writes, at least."""


class Snapshot(Settings):
    """The last report of a running cell.

    Attributes:
        step, steps: of the training.
        losses: by name, at that step.
        seconds: since the cell began.
        healed: how often it has diverged and gone back so far.
    """

    step: int
    steps: int
    losses: dict[str, float]
    seconds: float
    healed: int = 0

    @property
    def left(self) -> float | None:
        """Seconds until the last step at the present pace; None before the first step."""
        return self.seconds / self.step * max(self.steps - self.step, 0) if self.step else None


class ProgressFile:
    """The `report` of one cell: writes a `Snapshot` to `path`, at most once a second.

    It does nothing where the folder of `path` is not there: on another machine of a cluster without a shared disk.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic):
        self.path = path
        self._clock = clock
        self._began = clock()
        self._written = -float("inf")

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        now = self._clock()
        if now - self._written < EVERY or not self.path.parent.is_dir():
            return
        self._written = now
        snapshot = Snapshot(
            step=progress.step,
            steps=progress.steps,
            losses=dict(progress.losses),
            seconds=now - self._began,
            healed=progress.attempt,
        )
        with suppress(EbmoodError):  # A full disk must not end a training whose record may still find room.
            write_text(self.path, snapshot.model_dump_json())


def read_snapshot(path: Path) -> Snapshot | None:
    """The snapshot in `path`, or None while there is none."""
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
