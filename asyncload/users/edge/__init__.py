"""``kind: edge``: clients of Groundlight's edge endpoint."""
