"""Measures every figure of the targets table, side by side with its peers.

    python -m benchmarks.run [--rounds 5] [--seconds 5] [--only NAME ...]

See ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.figures import footprint, misbehave, pacing, statuses, throughput
from benchmarks.harness import PEERS, RESULTS, Figure, run_figure, write_result
from benchmarks.table import write_table

FIGURES: dict[str, Callable[[float], AbstractContextManager[Figure]]] = {
    **throughput.FIGURES,
    **statuses.FIGURES,
    **pacing.FIGURES,
    **footprint.FIGURES,
    **misbehave.FIGURES,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--only", nargs="+", choices=[*FIGURES], metavar="NAME", default=[*FIGURES])
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the results")
    given = parser.parse_args()
    missing = [tool for tool in ("taskset", "nginx", "wrk", "hey") if not shutil.which(tool)]
    if missing or not (PEERS / "locust").exists():
        sys.exit(
            f"missing: {', '.join(missing) or 'Locust'}; install Debian's nginx-light, wrk, hey "
            "and util-linux, and run benchmarks/peers.sh"
        )
    for name in given.only:
        with FIGURES[name](given.seconds) as figure:
            write_result(run_figure(figure, given.rounds), given.output)
        write_table(given.output)


if __name__ == "__main__":
    main()
