"""What is recorded about a run, and the log it is written to."""
