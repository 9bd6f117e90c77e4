"""Tasks for the workers of a cluster."""

import os
import time
from pathlib import Path

from ebmood.core.errors import EbmoodError
from ebmood.models.knn import KNearestNeighbours


class WaitingDetector(KNearestNeighbours):
    """A detector whose first `fit` writes its process id to the file `mark` and waits to be killed."""

    def __init__(self, mark=""):
        super().__init__()
        self.mark = mark

    def fit(self, x):
        if not Path(self.mark).exists():
            temporary = Path(f"{self.mark}.{os.getpid()}")
            temporary.write_text(str(os.getpid()))
            temporary.rename(self.mark)  # atomic
            time.sleep(120)
        return super().fit(x)


def run_long(started: Path, ended: Path) -> None:
    """Run for a long time in short steps. Write the name of the error that ends it to the file `ended`."""
    started.touch()
    try:
        for _ in range(1000):
            time.sleep(0.05)
    except BaseException as error:
        ended.write_text(type(error).__name__.lower())
        raise


def raise_missing_file(path: Path) -> None:
    raise EbmoodError(f"{path}: no such file")
