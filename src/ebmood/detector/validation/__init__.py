"""Validation of X: arrays and data frames become float64 rows, or raise one line that says what is wrong."""
