"""Tries simulated worlds.

    python -m tests.simulation --seeds 10000          # seeds 0 to 9999
    python -m tests.simulation --seconds 60           # as many as a minute takes
    python -m tests.simulation --seed 4711            # one, with all that happened

Prints how many were tried. A world that breaks a promise is made smaller, and the command that
tries it alone is printed; the exit code is 1 then.
"""

from __future__ import annotations

import argparse
import faulthandler
import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

import msgspec

from asyncload.records.record import Job, Ledger, Note, Record, Request
from tests.simulation.account import violations
from tests.simulation.shrink import changes, shrink
from tests.simulation.trial import try_world
from tests.simulation.world import World, world_of

CHUNK = 20
"""Seeds that a process tries at a time."""
STUCK = 120
"""Seconds after which a world that takes tenths of one is stuck."""


def broken(world: World) -> list[str]:
    """Give the promises that a world breaks. One that blocks ends this process, and says where."""
    faulthandler.dump_traceback_later(STUCK, exit=True)
    try:
        return list(violations(try_world(world)))
    finally:
        faulthandler.cancel_dump_traceback_later()


def main() -> int:
    """Try the worlds asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, help="how many")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--seconds", type=float, help="for how long at most")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="one seed alone, with all that happened")
    parser.add_argument("--world", help="a world as JSON in place of a seed's")
    given = parser.parse_args()
    if given.world is not None or given.seed is not None:
        world = world_of(given.seed or 0)
        if given.world is not None:
            world = msgspec.json.decode(given.world, type=World)
        return show(world)
    if given.seeds is None and given.seconds is None:
        parser.error("give --seeds, --seconds or --seed")
    begun = time.monotonic()
    tried, found = campaign(given.start, given.seeds, given.seconds, given.processes)
    took = time.monotonic() - begun
    for seed, problems in sorted(found.items()):
        report(seed, problems)
    print(f"{tried:,} seeds from {given.start} in {took:.1f} s: {len(found)} break a promise")
    return 1 if found else 0


def campaign(
    start: int, seeds: int | None, seconds: float | None, processes: int
) -> tuple[int, dict[int, list[str]]]:
    """Try seeds; give how many, and what was broken by which."""
    until = time.monotonic() + (seconds or float("inf"))
    numbers = itertools.count(start) if seeds is None else iter(range(start, start + seeds))
    tried, found = 0, {}
    with ProcessPoolExecutor(processes) as pool:
        running = {pool.submit(try_seeds, chunk) for chunk in _chunks(numbers, 2 * processes)}
        while running:
            done = next(iter(running))
            running.discard(done)
            count, broken_ones = done.result()
            tried += count
            found.update(broken_ones)
            if time.monotonic() < until:
                running |= {pool.submit(try_seeds, chunk) for chunk in _chunks(numbers, 1)}
    return tried, found


def try_seeds(seeds: Iterable[int]) -> tuple[int, dict[int, list[str]]]:
    """Try some seeds."""
    problems = {seed: broken(world_of(seed)) for seed in seeds}
    return len(problems), {seed: those for seed, those in problems.items() if those}


def _chunks(numbers: Iterator[int], count: int) -> Iterator[list[int]]:
    for _ in range(count):
        if chunk := list(itertools.islice(numbers, CHUNK)):
            yield chunk


def report(seed: int, problems: list[str]) -> None:
    """Say what a seed breaks, and the smallest world that breaks something, too."""
    print(f"seed {seed}:")
    for problem in problems[:5]:
        print(f"  {problem}")
    small = shrink(world_of(seed), lambda world: bool(broken(world)))
    print(f"  smallest: {changes(small)}")
    for problem in broken(small)[:3]:
        print(f"    {problem}")
    print(f"  python -m tests.simulation --seed {seed}")
    print(f"  python -m tests.simulation --world '{msgspec.json.encode(small).decode()}'")


def show(world: World) -> int:
    """Tell all that happened in one world."""
    print(changes(world))
    trial = try_world(world)
    for record in trial.records:
        if isinstance(record, Request | Job | Note):
            print(line(record))
    if trial.problem is None:
        for t, message in trial.sqs.deliveries:
            print(f"{t:9.3f} delivered {' '.join(message.about)} {message.id}")
        print(next(r for r in reversed(trial.records) if isinstance(r, Ledger)))
    problems = list(violations(trial))
    for problem in problems:
        print(f"BROKEN: {problem}")
    print(f"ended at {trial.ended_at:.3f}; {trial.digest[:16]}")
    return 1 if problems else 0


def line(record: Record) -> str:
    """Write a record in one line."""
    t = getattr(record, "t", 0.0)
    text = msgspec.json.encode(record).decode()
    return f"{t:9.3f} {text}"


if __name__ == "__main__":
    sys.exit(main())
