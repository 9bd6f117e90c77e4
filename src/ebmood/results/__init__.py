"""Results: records in; comparisons, tables, figures and verdicts on the paper's claims out. No model is read."""
