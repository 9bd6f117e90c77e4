"""What the service needs of a monitor that watches the rows it scores."""

from typing import Any, Protocol

from pydantic import BaseModel


class FeedMonitor(Protocol):
    """A monitor of a feed of rows."""

    @property
    def state(self) -> BaseModel:
        """What is known now."""
        ...

    def update(self, X: Any) -> object:
        """Read the next rows of the feed, prepared as `EnergyDetector.score_samples` expects them."""
        ...
