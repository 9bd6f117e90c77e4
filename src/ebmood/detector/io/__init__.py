"""Readers of arrays, tables and image folders, and writers of scores."""
