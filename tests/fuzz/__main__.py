"""``python -m tests.fuzz --minutes 10``: mutated inputs for everything that reads.

The targets take turns until the time is over. ``--target NAME`` tries one of them alone, and with
``--input FILE`` what the file holds. The exit code is 1 when something was found; the smallest
input that shows it is printed.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz.fuzz import BrokenError, attempt, run
from tests.fuzz.targets import TARGETS

ROUND = 500
"""Inputs to a target before the next has its turn."""


def main() -> int:
    """Fuzz until the time is over; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long; 10 if left out")
    parser.add_argument("--seed", type=int, help="of the first round; any if left out")
    parser.add_argument("--target", choices=sorted(TARGETS), help="all if left out")
    parser.add_argument("--input", type=Path, help="try this file alone")
    options = parser.parse_args()
    if options.input is not None:
        if options.target is None:
            parser.error("--input needs --target")
        attempt(TARGETS[options.target], options.input.read_bytes())
        return 0
    number = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"from seed {number}")
    names = [options.target] if options.target else list(TARGETS)
    latest, tried, broken = time.monotonic() + options.minutes * 60, Counter[str](), set[str]()
    while time.monotonic() < latest and set(names) - broken:
        for name in (name for name in names if name not in broken):
            if time.monotonic() > latest:
                break
            try:
                run(TARGETS[name], examples=ROUND, number=number)
            except BrokenError as problem:
                broken.add(name)
                with tempfile.NamedTemporaryFile(prefix="asyncload-fuzz-", delete=False) as file:
                    file.write(problem.data)
                print(f"{name}, seed {number}: {problem}")
                print(
                    f"    to repeat it: python -m tests.fuzz --target '{name}' --input {file.name}",
                    flush=True,
                )
            tried[name] += ROUND
        number += 1
    for name, inputs in tried.items():
        print(f"{name:14} {inputs:9,} inputs{', broken' if name in broken else ''}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
