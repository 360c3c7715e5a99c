"""Runs of the real thing under faults at random moments, and whether their account is right."""
