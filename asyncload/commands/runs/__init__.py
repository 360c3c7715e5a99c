"""Commands that carry out a config, or check one: alone or a folder of them."""
