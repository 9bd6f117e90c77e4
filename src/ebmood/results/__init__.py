"""Results of a study: claims, tables, figures and the report, from records only."""
