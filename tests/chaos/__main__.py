"""``python -m tests.chaos --minutes 5``: kill, stop and starve real runs, and check their account.

Each trial is drawn from a seed, which the line of the trial names; the next trial has the next
seed. ``--seed N --trials 1`` repeats one. The exit code is 1 when something was found.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.checks import findings
from tests.chaos.plan import draw
from tests.chaos.trial import carry_out


def main() -> int:
    """Carry out trials until the time is over; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long; 5 if left out")
    parser.add_argument("--seed", type=int, help="of the first trial; any if left out")
    parser.add_argument("--trials", type=int, default=sys.maxsize, help="at most so many")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    latest = time.monotonic() + options.minutes * 60
    trials = wrong = 0
    while trials < options.trials and time.monotonic() < latest:
        wrong += not _holds(seed + trials)
        trials += 1
    print(f"{trials} trials from seed {seed}, {wrong} with findings")
    return 1 if wrong else 0


def _holds(seed: int) -> bool:
    """Carry out a trial, and tell of it; whether all is well."""
    trial = draw(seed)
    folder = Path(tempfile.mkdtemp(prefix="asyncload-chaos-"))
    print(f"seed {seed}: {trial} …", end=" ", flush=True)
    ended = asyncio.run(carry_out(trial, folder))
    found = findings(ended)
    print(
        f"exit {ended.exit_code} after {ended.seconds:.1f} s:",
        f"{len(found)} findings" if found else "ok",
    )
    if not found:
        shutil.rmtree(folder)
        return True
    for sentence in found:
        print(f"    {sentence}")
    print(
        f"    its files are in {folder}; python -m tests.chaos --seed {seed} --trials 1", flush=True
    )
    return False


if __name__ == "__main__":
    sys.exit(main())
