"""`ebmood study`: read the study, run it with a progress display, print its answer."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ebmood.cli.durations import parse_duration
from ebmood.cli.executor_options import open_executors
from ebmood.cli.options import allow_imports_from
from ebmood.cli.study_answer import print_answer
from ebmood.cli.study_progress import progress_display
from ebmood.study.runner import read_study, run_study
from ebmood.study.schema import ImageFiles
from ebmood.study.study_file import Device, Study, load_study, preset_title, presets
from ebmood.study.twins import with_twins, without_twin
from ebmood.training import check_tensorboard, make_fabric

INTERRUPTED = 130
"""Exit code after Ctrl-C."""


def list_presets() -> None:
    """Print the studies that ship with the package."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, file in presets().items():
        table.add_row(Text(name, "bold"), Text(preset_title(file)))
    Console().print(table)
    folder = next(iter(presets().values())).parent
    line = f"They are files in {folder}; copy one to change it."
    Console(highlight=False).print(line, markup=False, soft_wrap=True)


def run(
    name: str,
    out: Path | None,
    jobs: int | None,
    seeds: Sequence[int] | None,
    device: Device,
    retry_failed: bool,
    cluster: str | None,
    resume: bool,
    tensorboard: bool,
    files: ImageFiles,
    full: bool,
    stop_after: str | None = None,
    nudge: bool = False,
) -> int:
    """Run a study and print its answer. Return the exit code.

    Raises:
        EbmoodError: see `load_study` and `run_study`.
    """
    errors = Console(stderr=True, highlight=False)
    folder = out or Path(f"ebmood-{Path(name).stem}")
    deadline = None if stop_after is None else time.time() + parse_duration(stop_after, "--stop-after")
    try:
        if tensorboard:
            check_tensorboard()
        with errors.status("reading the study and its data"):
            ordinary = _load(name, device, cluster, files)
            study = with_twins(ordinary) if nudge else ordinary
        if nudge:
            for reason, labels in without_twin(ordinary).items():
                errors.print(f"not nudged: {', '.join(labels)} ({reason})", markup=False, soft_wrap=True)
        with open_executors(cluster, jobs) as (workers, open_executor):
            parallel = min(workers, len(study.tasks))
            with progress_display(errors, folder, parallel) as observer:
                run_study(
                    study,
                    folder,
                    seeds=seeds,
                    jobs=parallel,
                    retry_failed=retry_failed,
                    resume=resume,
                    tensorboard=tensorboard,
                    deadline=deadline,
                    observer=observer,
                    open_executor=open_executor,
                )
        if observer.remaining:
            command = _resume_command(name, out, seeds, cluster, nudge, stop_after)
            cells = sum(not seeds or task.cell.seed in seeds for task in study.tasks)
            errors.print(
                f"stopped after {stop_after}: {observer.remaining} of {cells} cells are left. Continue: "
                f"{command}",
                soft_wrap=True,
            )
            return 0
        return int(print_answer(*read_study(folder), folder, full))
    except KeyboardInterrupt:
        command = _resume_command(name, out, seeds, cluster, nudge)
        errors.print(f"interrupted; finished cells are saved in {folder}. Resume: {command}", soft_wrap=True)
        return INTERRUPTED


def _load(name: str, device: Device, cluster: str | None, files: ImageFiles) -> Study:
    if cluster is None:
        make_fabric(device)  # reports a missing device once instead of once per cell
    elif name not in presets():
        name = str(Path(name).resolve())  # workers of a cluster may run in another folder
    if name not in presets():
        allow_imports_from(Path(name).resolve().parent)  # worker processes inherit the path
    return load_study(name, device, files)


def _resume_command(
    name: str,
    out: Path | None,
    seeds: Sequence[int] | None,
    cluster: str | None,
    nudge: bool,
    stop_after: str | None = None,
) -> str:
    options = [f"-o {out}"] if out else []
    options += [f"--seed {seed}" for seed in seeds or ()]
    options += [f"--cluster {cluster}"] if cluster else []
    options += ["--nudge"] if nudge else []
    options += [f"--stop-after {stop_after}"] if stop_after else []
    return " ".join(["ebmood study", name, *options])
