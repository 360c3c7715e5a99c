"""``python -m asyncload``."""

from asyncload.cli import main

if __name__ == "__main__":
    main(prog_name="asyncload")
