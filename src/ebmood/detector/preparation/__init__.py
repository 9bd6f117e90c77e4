"""From the columns of a raw table to the features of a detector: what each column holds, and how it is read."""

from ebmood.detector.preparation.columns import (
    CategoryColumn,
    DateColumn,
    EmbeddedColumn,
    LeftOut,
    NumberColumn,
)
from ebmood.detector.preparation.preparation import Preparation, RawColumns, Reading, concatenate_columns

__all__ = [
    "CategoryColumn",
    "DateColumn",
    "EmbeddedColumn",
    "LeftOut",
    "NumberColumn",
    "Preparation",
    "RawColumns",
    "Reading",
    "concatenate_columns",
]
