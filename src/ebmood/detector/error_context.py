"""Name the source of the data in errors of the estimator."""

from collections.abc import Iterator
from contextlib import contextmanager

from ebmood.core.errors import InputError


@contextmanager
def name_source(source: str) -> Iterator[None]:
    """Replace `X` by the name of a table or folder in an `InputError` of the block."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{source}: {str(error).removeprefix('X: ')}") from error
