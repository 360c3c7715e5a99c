"""What is made of a run when it is over: tables, graphs, files."""
