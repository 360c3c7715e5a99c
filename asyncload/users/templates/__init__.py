"""Places in requests, ``{{ … }}``: expressions, functions and the rows that fill them."""
