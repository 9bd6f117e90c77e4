"""What runs in a worker process. Imports up here are light: threads are pinned before libraries load."""

from pathlib import Path
from typing import TYPE_CHECKING

from ebmood.executors.process import one_thread

if TYPE_CHECKING:
    from ebmood.study.cell import Cell
    from ebmood.study.records import Record


def work(cell: "Cell", progress: Path) -> "Record":
    """Run one cell on one thread, whatever else runs, so that scores do not depend on how many do.

    Args:
        cell: what to compute.
        progress: the file that tells how far it is, where its folder is in sight.
    """
    from ebmood.study.cell import run_cell
    from ebmood.study.progress import ProgressFile

    with one_thread():
        return run_cell(cell, ProgressFile(progress))
