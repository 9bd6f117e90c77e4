"""The function that runs in a worker process. It imports heavy libraries only after limiting threads."""

import shutil
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

from ebmood.executors.process import one_thread
from ebmood.study.cell_paths import CellPaths

if TYPE_CHECKING:
    from ebmood.study.cell import Cell
    from ebmood.study.records import Record
    from ebmood.training import Progress, Report


def run_in_worker(
    cell: "Cell", paths: CellPaths, tensorboard: bool = False, deadline: float | None = None
) -> "Record | None":
    """Run one cell on one thread, so that scores do not depend on the number of parallel cells.

    An interrupted cell resumes from its newest checkpoint. If the folder of the study is not visible (a cluster
    node without a shared disk), the cell runs without progress files and checkpoints.

    Args:
        cell: the cell.
        paths: paths of its files.
        tensorboard: whether to write TensorBoard events.
        deadline: the time at which its training stops, in seconds since the epoch; None for no limit.

    Returns:
        The record; None if the training stopped at the deadline.
    """
    from ebmood.study.cell import run_cell
    from ebmood.study.snapshots import SnapshotWriter
    from ebmood.training import (
        Checkpoints,
        MetricsFile,
        TensorBoard,
        TrainingStoppedError,
        stop_trainings_at,
    )

    with one_thread(), ExitStack() as stack:
        if not paths.snapshot.parent.is_dir():
            return run_cell(cell)
        resumes = paths.newest_checkpoint > 0
        callbacks: list[Report] = [SnapshotWriter(paths.snapshot), MetricsFile(paths.metrics, resumes)]
        if tensorboard:
            if not resumes:
                shutil.rmtree(paths.tensorboard, ignore_errors=True)
            callbacks.append(stack.enter_context(closing(TensorBoard(paths.tensorboard))))

        def report(progress: "Progress") -> None:
            for callback in callbacks:
                callback(progress)

        with suppress(TrainingStoppedError), stop_trainings_at(deadline):
            return run_cell(cell, report, Checkpoints(paths.checkpoints))
        return None
