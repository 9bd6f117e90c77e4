"""Paths of the files that a running cell writes into the folder of its study."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CellPaths:
    """Paths of the files of one cell.

    Attributes:
        study: folder of the study.
        key: key of the cell.
    """

    study: Path
    key: str

    @property
    def snapshot(self) -> Path:
        """Progress of the training; exists while the cell runs."""
        return self.study / "progress" / f"{self.key}.json"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints; removed when the record is written."""
        return self.study / "checkpoints" / self.key

    @property
    def newest_checkpoint(self) -> int:
        """Number of the newest checkpoint, or 0 without checkpoints. Numbers increase during a training."""
        return max((int(path.stem) for path in self.checkpoints.glob("[0-9]*.json")), default=0)

    @property
    def metrics(self) -> Path:
        """Training history with one line per logged point; remains after the cell."""
        return self.study / "metrics" / f"{self.key}.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard events, if they were requested; remains after the cell."""
        return self.study / "tensorboard" / self.key
