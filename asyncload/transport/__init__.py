"""How calls leave the generator: HTTP, AWS, and what both have in common."""
