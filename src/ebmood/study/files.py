"""What a cell writes while it runs, and where in the study's folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CellFiles:
    """The places of one running cell.

    Attributes:
        study: the study's folder.
        key: of the cell.
    """

    study: Path
    key: str

    @property
    def progress(self) -> Path:
        """How far it is; there while it runs."""
        return self.study / "progress" / f"{self.key}.json"

    @property
    def checkpoints(self) -> Path:
        """A folder to go on from; there until the record is."""
        return self.study / "checkpoints" / self.key

    @property
    def reached(self) -> int:
        """The number of its newest checkpoint, which grows from one to the next; 0 for none."""
        return max((int(path.stem) for path in self.checkpoints.glob("[0-9]*.json")), default=0)

    @property
    def metrics(self) -> Path:
        """One line for every recorded point of its training; kept."""
        return self.study / "metrics" / f"{self.key}.jsonl"

    @property
    def tensorboard(self) -> Path:
        """A folder for TensorBoard, if that is wanted; kept."""
        return self.study / "tensorboard" / self.key
