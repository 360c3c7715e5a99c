"""Benchmarks: every figure of the targets, side by side with its peers. See README.md."""
