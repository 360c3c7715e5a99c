"""The simulated ModelRunner."""
