"""The detector: fitted on a user's rows, calibrated on rows held out, safe to save and load."""
