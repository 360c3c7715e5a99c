"""``kind: http``: requests from the config, in all their forms."""
