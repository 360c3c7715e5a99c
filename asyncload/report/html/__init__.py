"""A run as one HTML file that needs no network: verdict, numbers, charts."""
