"""Two runs, or two folders of them, held against each other."""
