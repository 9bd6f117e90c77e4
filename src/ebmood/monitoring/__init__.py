"""Watching a feed: a conformal test martingale of scores and features, a restart rule, and tests of each batch."""

from ebmood.monitoring.monitor import Monitor
from ebmood.monitoring.state import Alarm, Batch, MonitorState

__all__ = ["Alarm", "Batch", "Monitor", "MonitorState"]
