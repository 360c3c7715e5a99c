"""What this machine can measure: its certificate, and how it is made."""
