"""CSV files in Locust's form."""
