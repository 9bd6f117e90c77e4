"""Sensorless drive diagnosis (UCI): 48 features of motor currents in eleven conditions; 10 and 11 are held out."""

from typing import Literal

from ebmood.datasets.dataset import Dataset, Source
from ebmood.datasets.openml import fetch_rows
from ebmood.datasets.reading import read_rows
from ebmood.datasets.table import hold_out_classes
from ebmood.errors import EbmoodError

FEATURES = 48
OPENML_ID = 0


class Sensorless(Source):
    """The UCI data "Dataset for Sensorless Drive Diagnosis": 58,509 rows, 48 features, classes 1 to 9 ID.

    Natural OOD are two sets, `class-10` and `class-11`.

    Attributes:
        source: `openml`, or a `.csv`, `.parquet` or `.npz` file whose label column is `label_column`.
        label_column: the column of classes in a file; None means `y` in an npz file and `Class` in the others.
    """

    kind: Literal["sensorless"] = "sensorless"
    source: str = "openml"
    label_column: str | None = None

    def load(self) -> Dataset:
        """All rows.

        Raises:
            EbmoodError: the file or OpenML cannot be read, or the table is not Sensorless.
        """
        if self.source == "openml":
            rows = fetch_rows(
                OPENML_ID, "Sensorless", instead="source: a local .csv, .parquet or .npz file of it"
            )
        else:
            usual = "y" if self.source.lower().endswith(".npz") else "Class"
            rows = read_rows(self.source, self.label_column or usual)
        if len(rows.features) != FEATURES:
            raise EbmoodError(
                f"{rows.source}: {len(rows.features)} features where Sensorless has {FEATURES}; name the file of "
                "Sensorless, or use `kind: table` for other data"
            )
        return hold_out_classes(rows, {"10": "class-10", "11": "class-11"}, name="sensorless")
