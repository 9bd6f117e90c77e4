"""`ebmood study`: read the study, run it with a display, print its tables."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ebmood.cli.executor_options import open_executors
from ebmood.cli.show import show_report
from ebmood.cli.watch import watching
from ebmood.study.entries import ImageFiles
from ebmood.study.records import Record
from ebmood.study.runner import read_study, run_study
from ebmood.study.spec import Device, load_study, preset_title, presets
from ebmood.training import check_tensorboard, make_fabric

STOPPED = 130


def list_presets() -> None:
    """Print the studies that ship with the package."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, file in presets().items():
        table.add_row(f"[bold]{name}[/bold]", preset_title(file))
    Console().print(table)
    folder = next(iter(presets().values())).parent
    Console(highlight=False).print(f"They are files in {folder}; copy one to change it.", soft_wrap=True)


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
) -> int:
    """Run a study and print its tables. Returns the exit code."""
    errors = Console(stderr=True, highlight=False)
    folder = out or Path(f"ebmood-{Path(name).stem}")
    try:
        if tensorboard:
            check_tensorboard()
        with errors.status("reading the study and its data"):
            if cluster is None:
                make_fabric(device)  # a device that is not there is told once, not by every cell
            elif name not in presets():
                name = str(Path(name).resolve())  # and so the paths in it: workers may start elsewhere
            if name not in presets():
                _import_beside(Path(name))
            study = load_study(name, device, files)
        with open_executors(cluster, jobs) as (many, open_executor):
            many = min(many, len(study.tasks))
            with watching(errors, folder, many) as watcher:
                records = run_study(
                    study,
                    folder,
                    seeds=seeds,
                    jobs=many,
                    retry_failed=retry_failed,
                    resume=resume,
                    tensorboard=tensorboard,
                    watcher=watcher,
                    open_executor=open_executor,
                )
        show_report(*read_study(folder), folder)
    except KeyboardInterrupt:
        again = (
            f"ebmood study {name}"
            + (f" -o {out}" if out else "")
            + "".join(f" --seed {seed}" for seed in seeds or ())
            + (f" --cluster {cluster}" if cluster else "")
        )
        errors.print(f"stopped; the finished cells are kept in {folder}. To go on: {again}", soft_wrap=True)
        return STOPPED
    return 1 if _tell_failures(errors, records) else 0


def _import_beside(file: Path) -> None:
    """Let import paths in a study file name modules that lie beside it; processes started from here inherit that."""
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)


def _tell_failures(console: Console, records: list[Record]) -> bool:
    failed = [record for record in records if record.status == "failed"]
    for record in failed:
        gamma = "" if record.gamma is None else f" gamma={record.gamma:g}"
        recipe = f"{record.method} {record.variant}{gamma}"
        console.print(
            f"failed: {record.dataset}, {recipe}, seed {record.seed}: {record.reason}",
            style="red",
            markup=False,
            soft_wrap=True,
        )
    if failed:
        console.print(
            f"{len(failed)} of {len(records)} cells failed; --retry-failed runs them again", soft_wrap=True
        )
    return bool(failed)
