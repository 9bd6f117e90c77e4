"""HTML pages about a detector or a study. Each is one self-contained file."""
