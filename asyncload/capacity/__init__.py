"""Searches that carry out many runs: how much load a service takes."""
