"""A simulated server of models on this host."""
