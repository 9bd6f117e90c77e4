"""Sensorless drive diagnosis (UCI): 48 features of motor currents in eleven classes. Classes 10 and 11 are held out."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from ebmood.core.errors import EbmoodError
from ebmood.data.dataset import Dataset
from ebmood.data.openml import fetch_rows
from ebmood.data.source import Source
from ebmood.data.table import hold_out_classes
from ebmood.data.table_files import read_rows

FEATURES = 48
ROWS = 58_509
LABEL_COLUMNS = {".npz": "y", ".txt": "f48"}
"""Default label column by suffix; `.txt` is the file of UCI. The default of other suffixes is `Class`."""


class Sensorless(Source):
    """The UCI data set "Dataset for Sensorless Drive Diagnosis": 58,509 rows with 48 features. Classes 1 to 9 are ID.

    The natural OOD sets are `class-10` and `class-11`. A file with fewer rows is a reduced version (`Dataset.small`).

    Attributes:
        source: `openml`, or a file: UCI's `Sensorless_drive_diagnosis.txt` (doi:10.24432/C5VP5F), or a `.csv`,
            `.parquet` or `.npz` file; see `read_rows`.
        label_column: column (for npz: array) of the classes in a file. None for the default: the last column of UCI's
            file, `y` in an npz file, and `Class` in other files.
        openml: OpenML's number or name of the data set.
    """

    kind: Literal["sensorless"] = "sensorless"
    source: str = "openml"
    label_column: str | None = None
    openml: int | str = "Sensorless_drive_diagnosis"

    def load(self) -> Dataset:
        """Return all rows.

        Raises:
            EbmoodError: the file or OpenML cannot be read, or the table is not Sensorless.
        """
        if self.source == "openml":
            alternative = (
                "`{kind: sensorless, source: FILE}` in a study file (FILE is UCI's Sensorless_drive_diagnosis.txt, "
                "or a .csv, .parquet or .npz file)"
            )
            rows = fetch_rows(self.openml, "Sensorless", alternative)
        else:
            default = LABEL_COLUMNS.get(Path(self.source).suffix.lower(), "Class")
            rows = read_rows(self.source, self.label_column or default)
        if len(rows.features) != FEATURES:
            raise EbmoodError(
                f"{rows.source}: {len(rows.features)} features, but Sensorless has {FEATURES}; give the file of "
                "Sensorless, or use `kind: table` for other data"
            )
        dataset = hold_out_classes(rows, {"10": "class-10", "11": "class-11"}, name="sensorless")
        return replace(dataset, small=len(rows.x) < ROWS)
