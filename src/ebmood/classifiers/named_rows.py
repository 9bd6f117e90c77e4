"""Errors about rows of a classifier that lie in files: the message names the file and the row."""

from collections.abc import Iterator
from contextlib import contextmanager

from ebmood.classifiers.classifier_rows import ClassifierRows
from ebmood.classifiers.network import RowError
from ebmood.core.errors import InputError


@contextmanager
def named_rows(source: ClassifierRows, first: int = 0) -> Iterator[None]:
    """Let an error about a row name its file. `first` is the number of rows before those of the block."""
    try:
        yield
    except RowError as error:
        raise InputError(f"{source.describe(first + error.row)}: {error.problem}") from error
