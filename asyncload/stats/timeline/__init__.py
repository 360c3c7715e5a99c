"""How a run went from second to second: its load, its latency, and the generator itself."""
