"""What a run came to, in the formats of other tools."""
