"""The processes of the embedded stack, and what is in them."""
