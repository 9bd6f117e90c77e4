"""Faster implementations of a few operations of the reference. The package works without this folder."""
