"""Sensorless drive diagnosis (UCI): 48 features of motor currents, eleven conditions; 10 and 11 held out."""

from pathlib import Path
from typing import Literal

from ebmood.core.errors import EbmoodError
from ebmood.data.dataset import Dataset
from ebmood.data.openml import fetch_rows
from ebmood.data.source import Source
from ebmood.data.table import hold_out_classes
from ebmood.data.table_files import read_rows

FEATURES = 48
LABELS = {".npz": "y", ".txt": "f48"}
"""Where the classes stand if `label_column` does not say (`.txt` is UCI's own file); else in `Class`."""


class Sensorless(Source):
    """The UCI data "Dataset for Sensorless Drive Diagnosis": 58,509 rows, 48 features, classes 1 to 9 ID.

    Natural OOD are two sets, `class-10` and `class-11`.

    Attributes:
        source: `openml`, or a file: UCI's own `Sensorless_drive_diagnosis.txt` (doi:10.24432/C5VP5F), or any
            `.csv`, `.parquet` or `.npz` as `read_rows` reads them.
        label_column: the column (npz: array) of classes in a file; None means column 49 of UCI's file, `y` in
            an npz file, and `Class` in the others.
        openml: OpenML's number or name of the data set.
    """

    kind: Literal["sensorless"] = "sensorless"
    source: str = "openml"
    label_column: str | None = None
    openml: int | str = "Sensorless_drive_diagnosis"

    def load(self) -> Dataset:
        """All rows.

        Raises:
            EbmoodError: the file or OpenML cannot be read, or the table is not Sensorless.
        """
        if self.source == "openml":
            instead = (
                "`{kind: sensorless, source: FILE}` in a study file of your own (FILE: UCI's "
                "Sensorless_drive_diagnosis.txt, or a .csv, .parquet or .npz)"
            )
            rows = fetch_rows(self.openml, "Sensorless", instead)
        else:
            usual = LABELS.get(Path(self.source).suffix.lower(), "Class")
            rows = read_rows(self.source, self.label_column or usual)
        if len(rows.features) != FEATURES:
            raise EbmoodError(
                f"{rows.source}: {len(rows.features)} features where Sensorless has {FEATURES}; name the "
                "file of Sensorless, or use `kind: table` for other data"
            )
        return hold_out_classes(rows, {"10": "class-10", "11": "class-11"}, name="sensorless")
