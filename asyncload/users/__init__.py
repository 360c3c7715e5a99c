"""Users: the coroutines that carry out iterations of a scenario, one module a kind."""
