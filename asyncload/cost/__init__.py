"""What a run costs: estimated before it, metered during it, asked of Cost Explorer after it."""
