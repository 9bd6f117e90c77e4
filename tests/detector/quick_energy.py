"""Settings of the energy that fit in a moment, for tests of what holds for any energy."""

from ebmood.detector import EnergySettings

QUICK = EnergySettings(steps=20, members=1, hidden=(16,), sigmas=(0.1, 0.5, 2.0), components=2)
