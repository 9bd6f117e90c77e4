"""Cells of tables as numbers, durations, dates and categories."""
