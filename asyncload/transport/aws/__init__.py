"""AWS: sessions of its SDK, and calls that are signed and sent without it."""
