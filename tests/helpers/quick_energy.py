"""Settings of an energy that is fitted quickly, for tests of properties that every energy has."""

from ebmood.detector import EnergySettings

QUICK = EnergySettings(steps=20, members=1, hidden=(16,), sigmas=(0.1, 0.5, 2.0), components=2)
