"""Jobs: work accepted now and finished later; the ledger that accounts for each of them."""
