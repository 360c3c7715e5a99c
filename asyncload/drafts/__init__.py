"""Configs written for people: examples, and drafts of a curl command or of recorded traffic."""
