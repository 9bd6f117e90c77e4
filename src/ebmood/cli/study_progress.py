"""The progress display of a running study: bars on a terminal, one line per finished cell elsewhere."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ebmood.study.records import Record
from ebmood.study.runner import StudyObserver
from ebmood.study.snapshots import Snapshot


class NamedTask(Protocol):
    """What a display needs of a cell."""

    @property
    def key(self) -> str:
        """Key of the cell."""
        ...

    @property
    def name(self) -> str:
        """Name of the cell in messages."""
        ...


class TitledStudy(Protocol):
    """What a display needs of a study."""

    @property
    def title(self) -> str:
        """Title of the study."""
        ...

    @property
    def tasks(self) -> Sequence[NamedTask]:
        """All cells of the study."""
        ...


@contextmanager
def progress_display(console: Console, folder: Path, jobs: int) -> "Iterator[LineDisplay]":
    """Yield a display for the console: bars on a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield LineDisplay(console, folder, jobs)
        return
    with BarDisplay(console, folder, jobs) as bars:
        yield bars


class LineDisplay(StudyObserver):
    """Prints one line per finished cell.

    Args:
        console: where to print.
        folder: folder of the study.
        jobs: number of cells that run in parallel.

    Attributes:
        remaining: number of cells that were left when the time of the run was over; 0 if it ended.
    """

    def __init__(self, console: Console, folder: Path, jobs: int):
        self._console = console
        self._folder = folder
        self._jobs = jobs
        self.remaining = 0
        self._total = 0
        self._done = 0
        self._printed_notes: set[str] = set()

    def on_start(self, study: TitledStudy, todo: Sequence[NamedTask]) -> None:
        """Print the title and the number of cells."""
        self._total = len(study.tasks)
        self._done = self._total - len(todo)
        finished = f", {self._done} already finished" if self._done else ""
        self._print(
            f"{study.title}: {self._total} cells{finished}; {self._jobs} in parallel; in {self._folder}"
        )

    def on_progress(self, tasks: Mapping[str, tuple[NamedTask, Snapshot | None]]) -> None:
        """Ignore running cells."""

    def on_abandoned(self, checkpoints: Sequence[Path]) -> None:
        """Print which checkpoints no cell of the study resumes."""
        cells = "1 cell" if len(checkpoints) == 1 else f"{len(checkpoints)} cells"
        names = ", ".join(path.name for path in checkpoints[:3]) + (", ..." if len(checkpoints) > 3 else "")
        self._print(
            f"{checkpoints[0].parent} contains checkpoints of {cells} that this study does not have, as after a "
            f"changed setting or without --nudge ({names}); remove them if no other run resumes them",
            "yellow",
        )

    def on_retry(self, task: NamedTask) -> None:
        """Print that a worker died."""
        self._print(f"{task.name}: its worker process died; another one resumes it", "yellow")

    def on_finish(self, task: NamedTask, record: Record) -> None:
        """Print the result of a cell and its new notes."""
        self._done += 1
        number = f"[{self._done:>{len(str(self._total))}}/{self._total}]"
        head = f"{number} {task.name}, {duration_text(record.seconds)}: "
        if record.status == "failed":
            self._print(f"{head}failed: {record.reason}", "red")
        else:
            scores = ", ".join(f"{result.name} {result.auroc:.3f}" for result in record.results)
            self._print(f"{head}{scores} AUROC{_rollbacks(len(record.events))}")
        for note in record.notes:
            # A warning about degenerate recipes was printed before the first cell.
            is_degenerate = record.degenerate and record.degenerate in note
            if note not in self._printed_notes and not is_degenerate:
                self._printed_notes.add(note)
                self._print(f"note: {note}", "yellow")

    def on_stop(self, remaining: Sequence[NamedTask]) -> None:
        """Keep the number of cells that are left."""
        self.remaining = len(remaining)

    def _print(self, line: str, style: str | None = None) -> None:
        self._console.print(line, style=style, markup=False, soft_wrap=True)


class BarDisplay(LineDisplay):
    """Prints the same lines above one live bar per running cell and one for the study."""

    def __init__(self, console: Console, folder: Path, jobs: int):
        super().__init__(console, folder, jobs)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[losses]}", style="dim", markup=False),
            TextColumn("{task.fields[remaining]}"),
            console=console,
        )
        self._bars: dict[str, TaskID] = {}
        self._start = time.monotonic()
        self._todo: dict[str, NamedTask] = {}
        self._seconds: dict[str, list[float]] = {}

    def __enter__(self) -> "BarDisplay":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_start(self, study: TitledStudy, todo: Sequence[NamedTask]) -> None:
        """Print the title and add the bar of the study."""
        super().on_start(study, todo)
        self._todo = {task.key: task for task in todo}
        self._study_bar = self._add_bar("all cells", self._total)

    def on_progress(self, tasks: Mapping[str, tuple[NamedTask, Snapshot | None]]) -> None:
        """Update the bars."""
        for key in self._bars.keys() - tasks.keys():
            self._progress.remove_task(self._bars.pop(key))
        for key, (task, snapshot) in tasks.items():
            if key not in self._bars:
                self._bars[key] = self._add_bar(task.name, None)
            if snapshot:
                remaining = "" if snapshot.remaining is None else f"{duration_text(snapshot.remaining)} left"
                self._progress.update(
                    self._bars[key],
                    completed=snapshot.step,
                    total=snapshot.steps,
                    count=f"step {snapshot.step}/{snapshot.steps}",
                    losses=_losses(snapshot),
                    remaining=remaining,
                )
        self._progress.update(
            self._study_bar,
            completed=self._done,
            count=f"{self._done}/{self._total}",
            losses=f"{duration_text(time.monotonic() - self._start)} so far",
            remaining=self._remaining(tasks),
        )

    def on_finish(self, task: NamedTask, record: Record) -> None:
        """Print the result of a cell."""
        super().on_finish(task, record)
        self._todo.pop(task.key, None)
        self._seconds.setdefault(_recipe(task), []).append(record.seconds)

    def _add_bar(self, description: str, total: int | None) -> TaskID:
        return self._progress.add_task(description, total=total, count="", losses="", remaining="")

    def _remaining(self, tasks: Mapping[str, tuple[NamedTask, Snapshot | None]]) -> str:
        """Estimate the remaining time from finished cells of the same recipes; empty if a recipe has none."""
        seconds = 0.0
        for key, task in self._todo.items():
            snapshot = tasks[key][1] if key in tasks else None
            finished = self._seconds.get(_recipe(task))
            if snapshot and snapshot.remaining is not None:
                seconds += snapshot.remaining
            elif finished:
                seconds += sum(finished) / len(finished)
            else:
                return ""
        return f"about {duration_text(seconds / self._jobs)} left"


def _losses(snapshot: Snapshot) -> str:
    """Return the loss of each player; `energy/loss` is that of the energy model."""
    losses = {name: value for name, value in snapshot.losses.items() if name.endswith("/loss")}
    text = "  ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in losses.items())
    return text + _rollbacks(snapshot.rollbacks)


def _rollbacks(count: int) -> str:
    return f"; {count} rollback{'s' * (count > 1)}" if count else ""


def _recipe(task: NamedTask) -> str:
    return task.name.rpartition(", seed ")[0]


def duration_text(seconds: float) -> str:
    """Return a duration such as `7.3 s`, `2 min 05 s` or `3 h 20 min`.

    >>> duration_text(125)
    '2 min 05 s'
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
