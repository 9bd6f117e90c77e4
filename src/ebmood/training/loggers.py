"""Reports of a run in progress: `metrics.jsonl`, and TensorBoard on request.

Training calls a report with one `Progress` for every recorded point and one for every rollback.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebmood.core.errors import EbmoodError

BEFORE_FIRST: tuple[int, int] = (-1, -1)
"""Attempt and step of an empty metrics file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progress:
    """The progress of a training run.

    Attributes:
        step, steps: number of steps done, and in total.
        losses: the last recorded values by `player/name`: losses, other logged values, gradient norms
            (`gradient_norm`) and learning rates (`rate`).
        attempt: number of rollbacks so far.
        event: what happened and what was done, if this reports a rollback.
        stage: name of a model that is trained before the main one, such as the classifier of an embedding; empty for
            the main model. Displays count its steps; its values do not belong to the metrics of the main model.
    """

    step: int
    steps: int
    losses: dict[str, float]
    attempt: int = 0
    event: str | None = None
    stage: str = ""


Report = Callable[[Progress], None]


class MetricsFile:
    """A report that appends one JSON line per call to a file: `attempt`, `step`, then the values or the `event`.

    A run that resumes from a checkpoint reports some points a second time; points that the file holds already are
    skipped. If the file cannot be written, the error is logged and training continues.

    Args:
        path: the file.
        resume: append to the file if it exists; otherwise replace it.
    """

    def __init__(self, path: Path | str, resume: bool = False):
        self.path = Path(path)
        self._last = BEFORE_FIRST
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if resume and self.path.exists():
                self._last = _truncate(self.path)
            if self._last == BEFORE_FIRST:
                self.path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s: cannot be written (%s)", self.path, error.strerror)

    def __call__(self, progress: Progress) -> None:
        """Append one line."""
        if progress.stage:
            return
        position = (progress.attempt, progress.step)
        if position <= self._last:
            return
        self._last = position
        content = {"event": progress.event} if progress.event else progress.losses
        line = json.dumps({"attempt": progress.attempt, "step": progress.step, **content})
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            log.warning("%s: cannot be written (%s); its line is lost", self.path, error.strerror)


class TensorBoard:
    """A report that writes scalars for TensorBoard. Each attempt after a rollback is a run in a subfolder.

    Args:
        folder: folder of one cell. Start `tensorboard --logdir` with this folder or one of its parents.

    Raises:
        EbmoodError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)
        self._writer_class = check_tensorboard()
        self._writers: dict[int, Any] = {}

    def __call__(self, progress: Progress) -> None:
        """Write the values or the event of one call."""
        if progress.stage:
            return
        if progress.attempt not in self._writers:
            folder = self.folder / f"rollback-{progress.attempt}" if progress.attempt else self.folder
            # A killed process may have written points after its last checkpoint; they come again, so drop the old ones.
            self._writers[progress.attempt] = self._writer_class(str(folder), purge_step=progress.step)
        writer = self._writers[progress.attempt]
        if progress.event:
            writer.add_text("event", progress.event, progress.step)
        else:
            for name, value in progress.losses.items():
                writer.add_scalar(name, value, progress.step)
        writer.flush()

    def close(self) -> None:
        """Flush and close the files."""
        for writer in self._writers.values():
            writer.close()


def check_tensorboard() -> Any:
    """Return the class `SummaryWriter` of TensorBoard.

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


def _truncate(path: Path) -> tuple[int, int]:
    """Remove an incomplete last line, and return the attempt and step of the last complete one."""
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) < len(content):
        with open(path, "r+b") as file:
            file.truncate(len(complete))
    if not complete:
        return BEFORE_FIRST
    last = json.loads(complete.splitlines()[-1])
    return last["attempt"], last["step"]
