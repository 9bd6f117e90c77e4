"""Work that misbehaves as told, for workers to import."""

import os
import time
from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.models.knn import KNearestNeighbours


class Waits(KNearestNeighbours):
    """The first to be fitted says who it is and waits to be killed."""

    def __init__(self, mark=""):
        super().__init__()
        self.mark = mark

    def fit(self, x):
        if not Path(self.mark).exists():
            whole = Path(f"{self.mark}.{os.getpid()}")
            whole.write_text(str(os.getpid()))
            whole.rename(self.mark)  # nobody reads half of it
            time.sleep(120)
        return super().fit(x)


def stays(began: Path, ended: Path) -> None:
    """Works on and on, in small steps."""
    began.touch()
    try:
        for _ in range(1000):
            time.sleep(0.05)
    except BaseException as error:
        ended.write_text(type(error).__name__.lower())
        raise


def says_what_is_missing(path: Path) -> None:
    raise EbmoodError(f"{path}: no such file")
