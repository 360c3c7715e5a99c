"""Statistics: folds over records, live or replayed, and the thresholds on them."""
