"""From the columns of a raw table to the features of a detector: what each column holds, and how it is read."""

from ebmood.detector.preparation.columns import (
    CategoryColumn,
    DateColumn,
    EmbeddedColumn,
    LeftOut,
    NumberColumn,
    Reading,
    VectorColumn,
)
from ebmood.detector.preparation.preparation import Preparation, concatenate_features

__all__ = [
    "CategoryColumn",
    "DateColumn",
    "EmbeddedColumn",
    "LeftOut",
    "NumberColumn",
    "Preparation",
    "Reading",
    "VectorColumn",
    "concatenate_features",
]
