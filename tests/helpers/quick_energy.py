"""Settings of an energy that is fitted quickly, for tests of properties that every energy has."""

from ebmood.detector import EnergySettings

QUICK = EnergySettings(rows=64, views=("robust", "normal-scores"))
