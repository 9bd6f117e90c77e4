"""Readers of tables and image folders, in chunks, and writers of scores."""
