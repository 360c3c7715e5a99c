"""Users: coroutines that carry out the iterations of a scenario; one folder per family of kinds."""
