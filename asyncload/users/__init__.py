"""Users: the coroutines that carry out iterations of a scenario, a folder for each family of kinds."""
