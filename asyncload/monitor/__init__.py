"""Monitoring of hosts."""
