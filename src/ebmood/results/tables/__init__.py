"""The tables of a study, from records alone."""
