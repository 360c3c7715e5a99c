"""A run as tables in the terminal."""
