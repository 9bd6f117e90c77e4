"""What every part of the package uses: errors, settings, seeding, files, metrics, calibration."""
