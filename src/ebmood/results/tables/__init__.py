"""The tables of a study, from records only."""
