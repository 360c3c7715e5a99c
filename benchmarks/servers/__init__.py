"""The servers that the figures are measured against, each a program of its own."""
