"""The engine: carries out a plan on one event loop."""
