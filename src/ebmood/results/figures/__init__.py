"""The figures of a study, from records only."""
