"""The type of callbacks that report the progress of long operations."""

from collections.abc import Callable

ProgressCallback = Callable[[str, float | None], None]
"""Called with the current stage ("reading", "fitting") and its completed fraction, 0 to 1; None if it is unknown."""


def ignore_progress(stage: str, fraction: float | None) -> None:
    """Do nothing. This is the default progress callback."""
