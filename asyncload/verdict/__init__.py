"""The verdict on a run: its thresholds, and whether its numbers can be relied on."""
