"""What is known of a detector, as JSON values: the output of `ebmood inspect --json`, and the answer of `/model`."""

from pathlib import Path
from typing import Any

import numpy as np

from ebmood.detector.io.column_names import array_column_names
from ebmood.detector.persistence.metadata import DetectorMetadata
from ebmood.detector.persistence.save import metadata_of
from ebmood.detector.raw.image_detector import read_shape
from ebmood.detector.raw.items import items_in
from ebmood.detector.raw.table_detector import TableDetector, read_preparation
from ebmood.detector.segments import find_segment_column, summarise_segments
from ebmood.detector.updates import HELD_CALIBRATION_ROWS


def summarise_detector(detector: TableDetector) -> dict[str, Any]:
    """Return what `ebmood inspect --json` prints once the detector is saved."""
    return summarise(metadata_of(detector.estimator, detector.notes()), "the detector")


def summarise(metadata: DetectorMetadata, source: str) -> dict[str, Any]:
    """Return the content of a detector as JSON values, without weights and calibration scores.

    Args:
        metadata: what the detector has saved, or would save.
        source: its folder, for messages.

    Raises:
        EbmoodError: the preparation of the columns is malformed.
    """
    names = metadata.columns.names or array_column_names(metadata.layout.table.columns)
    categories = tuple(names[column] for column in metadata.levels)
    preparation = read_preparation(Path(source), metadata.notes, metadata.columns.names, categories)
    images, items = read_shape(Path(source), metadata.notes), items_in(metadata.notes, metadata.embedder)
    calibration, alpha = metadata.calibration_of_rows(), metadata.alpha
    offset = calibration.offset(alpha)
    column = find_segment_column(metadata.segment, metadata.columns.shape, metadata.columns.names)
    segments = summarise_segments(calibration, alpha, None if column is None else metadata.levels.get(column))
    return {
        "items": items.many,
        "rows": metadata.notes.get("rows"),
        "training_rows": metadata.training_rows,
        "calibration_rows": len(metadata.calibration_scores),
        "calibration": metadata.calibration,
        "leave_one_out": metadata.has_leave_one_out(),
        "left_out_rows": metadata.left_out_rows,
        "strangest_rows": [{"row": row + 1, "score": score} for row, score in metadata.strangest_rows],
        "features": list(metadata.columns.names or ()),
        "shape": None if metadata.columns.shape is None else list(metadata.columns.shape),
        "images": None if images is None else images.model_dump(mode="json"),
        "preparation": None if preparation is None else preparation.model_dump(mode="json"),
        "alpha": alpha,
        "false_alarm_rate": calibration.false_alarm_rate(alpha),
        "offset": offset if np.isfinite(offset) else None,
        "segment": metadata.segment,
        "segments": [segment.model_dump(mode="json") for segment in segments],
        "weighted": metadata.calibration_weights is not None,
        "held_calibration_rows": min(metadata.calibration_rows_seen or 0, HELD_CALIBRATION_ROWS),
        "history": [event.model_dump(mode="json") for event in metadata.history],
        "classes": None if metadata.classes is None else list(metadata.classes),
        "seed": metadata.seed,
        "energy": metadata.energy.model_dump(mode="json"),
        "embedding": metadata.embedding,
        "embedder": None if metadata.embedder is None else metadata.embedder.model_dump(mode="json"),
        "categories": {names[column]: list(levels) for column, levels in metadata.levels.items()},
        "gaps": [names[column] for column in metadata.layout.table.gaps if column < len(names)],
        "memory": list(metadata.layout.rows),
        "held": ("" if metadata.memory == "rows" else "prototypes of ") + f"training {items.many}",
        "views": list(metadata.layout.views),
        "residuals": metadata.layout.residuals,
        "probes": [probe.model_dump(mode="json") for probe in metadata.probes],
        "versions": metadata.versions,
        "sha256": dict(metadata.files),
    }
