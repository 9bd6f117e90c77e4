"""Studies: from a file that lists data sets, recipes and seeds to records, and from records to tables."""
