"""How a running study looks: bars on a terminal, a line for each finished cell everywhere else."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from ebmood.study.snapshots import Snapshot
from ebmood.study.records import Record
from ebmood.study.runner import StudyObserver


class Named(Protocol):
    """What a display knows of a cell."""

    @property
    def key(self) -> str:
        """Of its record."""
        ...

    @property
    def name(self) -> str:
        """What people read."""
        ...


class Titled(Protocol):
    """What a display knows of a study."""

    @property
    def title(self) -> str:
        """Of the study."""
        ...

    @property
    def tasks(self) -> Sequence[Named]:
        """All its cells."""
        ...


@contextmanager
def watching(console: Console, folder: Path, jobs: int) -> "Iterator[Lines]":
    """A watcher that fits the console."""
    if not console.is_terminal:
        yield Lines(console, folder, jobs)
        return
    with Bars(console, folder, jobs) as bars:
        yield bars


class Lines(StudyObserver):
    """One plain line for each finished cell."""

    def __init__(self, console: Console, folder: Path, jobs: int):
        self._console = console
        self._folder = folder
        self._jobs = jobs
        self._total = 0
        self._done = 0
        self._told: set[str] = set()

    def on_start(self, study: Titled, todo: Sequence[Named]) -> None:
        """See `StudyObserver`."""
        self._total = len(study.tasks)
        self._done = self._total - len(todo)
        kept = f", {self._done} of them there already" if self._done else ""
        self._say(f"{study.title}: {self._total} cells{kept}; {self._jobs} at once; into {self._folder}")

    def on_progress(self, tasks: Mapping[str, tuple[Named, Snapshot | None]]) -> None:
        """See `StudyObserver`: a line is for what is finished."""

    def on_retry(self, task: Named) -> None:
        """See `StudyObserver`."""
        self._say(f"{task.name}: its process died; another goes on with it", "yellow")

    def on_finish(self, task: Named, record: Record) -> None:
        """See `StudyObserver`."""
        self._done += 1
        head = f"[{self._done:>{len(str(self._total))}}/{self._total}] {task.name}, {clock(record.seconds)}: "
        if record.status == "failed":
            self._say(f"{head}failed: {record.reason}", "red")
        else:
            scores = ", ".join(f"{result.name} {result.auroc:.3f}" for result in record.results)
            self._say(f"{head}{scores} AUROC{_healed(len(record.events))}")
        for note in record.notes:
            # Each is told once, and what is degenerate was told before the first cell.
            if note not in self._told and not (record.degenerate and record.degenerate in note):
                self._told.add(note)
                self._say(f"note: {note}", "yellow")

    def _say(self, line: str, style: str | None = None) -> None:
        self._console.print(line, style=style, markup=False, soft_wrap=True)


class Bars(Lines):
    """The same lines, above one live bar for each running cell and one for the whole."""

    def __init__(self, console: Console, folder: Path, jobs: int):
        super().__init__(console, folder, jobs)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[losses]}", style="dim"),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._rows: dict[str, TaskID] = {}
        self._began = time.monotonic()
        self._todo: dict[str, Named] = {}
        self._seconds: dict[str, list[float]] = {}

    def __enter__(self) -> "Bars":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def on_start(self, study: Titled, todo: Sequence[Named]) -> None:
        """See `StudyObserver`."""
        super().on_start(study, todo)
        self._todo = {task.key: task for task in todo}
        self._whole = self._progress.add_task("all cells", total=self._total, count="", losses="", left="")

    def on_progress(self, tasks: Mapping[str, tuple[Named, Snapshot | None]]) -> None:
        """See `StudyObserver`."""
        for key in self._rows.keys() - tasks.keys():
            self._progress.remove_task(self._rows.pop(key))
        for key, (task, snapshot) in tasks.items():
            if key not in self._rows:
                self._rows[key] = self._progress.add_task(task.name, total=None, count="", losses="", left="")
            if snapshot:
                self._progress.update(
                    self._rows[key],
                    completed=snapshot.step,
                    total=snapshot.steps,
                    count=f"step {snapshot.step}/{snapshot.steps}",
                    losses=_losses(snapshot),
                    left="" if snapshot.remaining is None else f"{clock(snapshot.remaining)} left",
                )
        self._progress.update(
            self._whole,
            completed=self._done,
            count=f"{self._done}/{self._total}",
            losses=f"{clock(time.monotonic() - self._began)} so far",
            left=self._whole_left(tasks),
        )

    def on_finish(self, task: Named, record: Record) -> None:
        """See `StudyObserver`."""
        super().on_finish(task, record)
        self._todo.pop(task.key, None)
        self._seconds.setdefault(_kind(task), []).append(record.seconds)

    def _whole_left(self, tasks: Mapping[str, tuple[Named, Snapshot | None]]) -> str:
        """From cells of the same recipe that are finished; nothing while a recipe has none."""
        seconds = 0.0
        for key, task in self._todo.items():
            snapshot = tasks[key][1] if key in tasks else None
            known = self._seconds.get(_kind(task))
            if snapshot and snapshot.remaining is not None:
                seconds += snapshot.remaining
            elif known:
                seconds += sum(known) / len(known)
            else:
                return ""
        return f"about {clock(seconds / self._jobs)} left"


def _losses(snapshot: Snapshot) -> str:
    """Each player's loss: `energy/loss` is the energy's."""
    losses = {name: value for name, value in snapshot.losses.items() if name.endswith("/loss")}
    shown = "  ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in losses.items())
    return shown + _healed(snapshot.healed)


def _healed(times: int) -> str:
    """How often training diverged and went back, where it did."""
    return f"; healed {times} time{'s' * (times > 1)}" if times else ""


def _kind(task: Named) -> str:
    return task.name.rpartition(", seed ")[0]


def clock(seconds: float) -> str:
    """`7.3 s`, `2 min 05 s`, `3 h 20 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
