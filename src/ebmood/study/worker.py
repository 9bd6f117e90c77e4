"""What runs in a worker process. Imports up here are light: threads are pinned before libraries load."""

import shutil
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from ebmood.executors.process import one_thread
from ebmood.study.files import CellFiles

if TYPE_CHECKING:
    from ebmood.study.cell import Cell
    from ebmood.study.records import Record
    from ebmood.training import Progress, Report


def work(cell: "Cell", files: CellFiles, tensorboard: bool = False) -> "Record":
    """Run one cell on one thread, whatever else runs, so that scores do not depend on how many do.

    A cell that was killed goes on from its last checkpoint. Where the study's folder is out of sight (another
    machine of a cluster without a shared disk), it is computed all the same, and nothing is written on the way.

    Args:
        cell: what to compute.
        files: where to write on the way.
        tensorboard: write for TensorBoard too.
    """
    from ebmood.study.cell import run_cell
    from ebmood.study.progress import ProgressFile
    from ebmood.training import Checkpoints, MetricsFile, TensorBoard

    with one_thread(), ExitStack() as open_files:
        if not files.progress.parent.is_dir():
            return run_cell(cell)
        resume = files.reached > 0
        reports: list[Report] = [ProgressFile(files.progress), MetricsFile(files.metrics, resume)]
        if tensorboard:
            if not resume:
                shutil.rmtree(files.tensorboard, ignore_errors=True)
            reports.append(open_files.enter_context(closing(TensorBoard(files.tensorboard))))

        def report(progress: "Progress") -> None:
            for tell in reports:
                tell(progress)

        return run_cell(cell, report, Checkpoints(files.checkpoints))
