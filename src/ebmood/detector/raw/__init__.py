"""Detectors of raw inputs, in memory and in files: tables of mixed columns, data frames, images, and folders."""
