"""Segment (UCI Image Segmentation): 18 features of image patches in seven classes; `sky` is held out."""

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
    """The UCI Image Segmentation data: 2,310 rows, 18 features, natural OOD `sky`, the other six classes ID.

    Its nineteenth feature, `region-pixel-count`, is the same in every row and is left out, as in the paper.

    Attributes:
        source: `river` (the copy inside the package river, no network), `openml`, or a `.csv`, `.parquet` or
            `.npz` file whose label column is `label_column`.
        label_column: the column (npz: array) of classes in a file.
    """

    kind: Literal["segment"] = "segment"
    source: str = "river"
    label_column: str = "class"

    def load(self) -> Dataset:
        """All rows.

        Raises:
            EbmoodError: the file or OpenML cannot be read, or the table is not Segment.
        """
        if self.source == "river":
            rows = _river_rows()
        elif self.source == "openml":
            rows = fetch_rows(OPENML_ID, "Segment", instead="`source: river`, which needs no network")
        else:
            rows = read_rows(self.source, self.label_column)
        return hold_out_classes(_without_constant(rows), {"sky": "sky"}, name="segment")


def _river_rows() -> Rows:
    from river.datasets import ImageSegments

    pairs = list(ImageSegments())
    features = tuple(str(name) for name in pairs[0][0])
    x = np.array([[row[name] for name in features] for row, _ in pairs], dtype=np.float64)
    labels = np.array([label for _, label in pairs], dtype=str)
    return Rows(features, x, labels, f"river.datasets.ImageSegments (river {version('river')})")


def _without_constant(rows: Rows) -> Rows:
    assert rows.labels is not None
    kept = np.flatnonzero(np.ptp(rows.x, axis=0) > 0)
    if len(kept) != FEATURES:
        raise EbmoodError(
            f"{rows.source}: {len(kept)} features that vary where Segment has {FEATURES}; name the file of "
            "Segment, or use `kind: table` for other data"
        )
    labels = np.char.lower(rows.labels)  # UCI's own file writes SKY
    return Rows(tuple(rows.features[column] for column in kept), rows.x[:, kept], labels, rows.source)
