"""Segment (UCI Image Segmentation): 18 features of image patches in seven classes. The class `sky` is held out."""

from importlib.metadata import version
from typing import Literal

import numpy as np

from ebmood.core.errors import EbmoodError
from ebmood.data.dataset import Dataset
from ebmood.data.openml import fetch_rows
from ebmood.data.source import Source
from ebmood.data.table import hold_out_classes
from ebmood.data.table_files import Rows, read_rows

FEATURES = 18
OPENML_ID = 36


class Segment(Source):
    """The UCI Image Segmentation data: 2,310 rows with 18 features. `sky` is natural OOD, the other six classes ID.

    The nineteenth feature of the original data, `region-pixel-count`, is constant and left out, as in the paper.

    Attributes:
        source: `river` (the copy in the package river, without network), `openml`, or a `.csv`, `.parquet` or `.npz`
            file.
        label_column: column (for npz: array) of the classes in a file.
    """

    kind: Literal["segment"] = "segment"
    source: str = "river"
    label_column: str = "class"

    def load(self) -> Dataset:
        """Return all rows.

        Raises:
            EbmoodError: the file or OpenML cannot be read, or the table is not Segment.
        """
        if self.source == "river":
            rows = _read_river()
        elif self.source == "openml":
            rows = fetch_rows(
                OPENML_ID, "Segment", alternative="`source: river`, which does not need a network"
            )
        else:
            rows = read_rows(self.source, self.label_column)
        return hold_out_classes(_drop_constant_columns(rows), {"sky": "sky"}, name="segment")


def _read_river() -> Rows:
    from river.datasets import ImageSegments

    pairs = list(ImageSegments())
    features = tuple(str(name) for name in pairs[0][0])
    x = np.array([[row[name] for name in features] for row, _ in pairs], dtype=np.float64)
    labels = np.array([label for _, label in pairs], dtype=str)
    return Rows(features, x, labels, f"river.datasets.ImageSegments (river {version('river')})")


def _drop_constant_columns(rows: Rows) -> Rows:
    assert rows.labels is not None
    columns = np.flatnonzero(np.ptp(rows.x, axis=0) > 0)
    if len(columns) != FEATURES:
        raise EbmoodError(
            f"{rows.source}: {len(columns)} features that are not constant, but Segment has {FEATURES}; give the "
            "file of Segment, or use `kind: table` for other data"
        )
    labels = np.char.lower(rows.labels)  # the file of UCI has capital letters
    return Rows(tuple(rows.features[column] for column in columns), rows.x[:, columns], labels, rows.source)
