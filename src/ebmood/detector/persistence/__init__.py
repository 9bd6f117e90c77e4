"""Saving, loading and exporting fitted detectors."""
