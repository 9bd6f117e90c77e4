"""What a run tells while it goes on: `metrics.jsonl`, and TensorBoard where that is wanted.

Both are told one `Progress` for every recorded point, and one for every healing.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebmood.core.errors import EbmoodError

NONE: tuple[int, int] = (-1, -1)
"""Attempt and step before the first line."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """Where training is.

    Attributes:
        step, steps: done, of how many.
        losses: the last recorded values by `player/name`: losses, what else the players log, the norms of
            their gradients (`gradient_norm`) and their rates (`rate`).
        attempt: how often the run has gone back to an earlier state before.
        event: at a healing, what happened and what was done.
        before: name of what is trained before the model itself (an embedding's classifier), or an empty string.
            Displays count its steps; they are no part of the model's metrics.
    """

    step: int
    steps: int
    losses: dict[str, float]
    attempt: int = 0
    event: str | None = None
    before: str = ""


Report = Callable[[Progress], None]


class MetricsFile:
    """A `report` that adds one JSON line to a file for every point: `attempt`, `step`, then values or `event`.

    A run that goes on from a checkpoint tells some points again; they are in the file already and are passed
    over. A place that cannot be written is logged and does not end the run.

    Args:
        path: the file.
        goes_on: keep what the file holds; otherwise it begins anew.
    """

    def __init__(self, path: Path | str, goes_on: bool = False):
        self.path = Path(path)
        self._last = NONE
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._last = _cut(self.path) if goes_on and self.path.exists() else self._last
            if self._last == NONE:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be written (%s)", self.path, error.strerror)

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        if progress.before:
            return
        place = (progress.attempt, progress.step)
        if place <= self._last:
            return
        self._last = place
        what = {"event": progress.event} if progress.event else progress.losses
        line = json.dumps({"attempt": progress.attempt, "step": progress.step, **what})
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            log.warning("%s: cannot be written (%s); its line is lost", self.path, error.strerror)


class TensorBoard:
    """A `report` that writes scalars for TensorBoard; every attempt is a run of its own there.

    Args:
        folder: of one cell. Start `tensorboard --logdir` on it, or on one above it.

    Raises:
        EbmoodError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._writer_class = check_tensorboard()
        self._writers: dict[int, Any] = {}

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        if progress.before:
            return
        if progress.attempt not in self._writers:
            folder = self.folder / f"healed-{progress.attempt}" if progress.attempt else self.folder
            # Points that a killed process wrote beyond its last checkpoint are told again: drop the old ones.
            self._writers[progress.attempt] = self._writer_class(str(folder), purge_step=progress.step)
        writer = self._writers[progress.attempt]
        if progress.event:
            writer.add_text("event", progress.event, progress.step)
        else:
            for name, value in progress.losses.items():
                writer.add_scalar(name, value, progress.step)
        writer.flush()

    def close(self) -> None:
        """Write what is left and close the files."""
        for writer in self._writers.values():
            writer.close()


def check_tensorboard() -> Any:
    """The writer's class of TensorBoard.

    Raises:
        EbmoodError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise EbmoodError(
            "TensorBoard is not installed; run: pip install 'ebmood[tensorboard]', or leave the option out"
        ) from error
    return SummaryWriter


def _cut(path: Path) -> tuple[int, int]:
    """The attempt and step of a file's last whole line; what a killed process left half written is cut off."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if len(whole) < len(content):
        with open(path, "r+b") as file:
            file.truncate(len(whole))
    if not whole:
        return NONE
    last = json.loads(whole.splitlines()[-1])
    return last["attempt"], last["step"]
