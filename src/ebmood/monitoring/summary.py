"""Summaries of a monitor for people: evidence as a logarithm to base 10, and the features that differ."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ebmood.monitoring.state import Batch

if TYPE_CHECKING:
    from ebmood.monitoring.monitor import Monitor


def log10(logarithm: float) -> str:
    """Return a natural logarithm as one to base 10, with two decimals.

    >>> log10(math.log(100))
    '2.00'
    """
    return f"{logarithm / math.log(10):,.2f}"


def drifted_since_change(monitor: "Monitor") -> list[tuple[str, int, int]]:
    """Return the features that differ in batches since the change of the alarm, the most frequent first.

    Returns:
        Name, number of batches in which it differs, and number of batches. Empty without an alarm.
    """
    if monitor.alarm is None:
        return []
    change = monitor.alarm.change
    batches = [batch for batch in monitor.batches if batch.first_row + batch.rows > change]
    return [(name, count, len(batches)) for name, count in count_drifted(batches).most_common()]


def count_drifted(batches: Sequence[Batch]) -> Counter[str]:
    """Return in how many batches each feature differs."""
    return Counter(name for batch in batches for name in batch.drifted)
