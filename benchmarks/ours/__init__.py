"""What runs on asyncload's side: user classes, and programs that use it as a library."""
