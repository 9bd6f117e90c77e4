"""Studies: cells, the runner that computes them, and their records."""
