"""Modules that all other packages use: errors, settings, seeding, files, metrics and calibration."""
