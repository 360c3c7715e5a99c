"""Runs a target on many inputs, and tells of the smallest that breaks it."""

from __future__ import annotations

import os
import resource
import signal
import time
from types import FrameType

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.mutate import mutated
from tests.fuzz.targets import Target

SECONDS = 2.0
"""Of CPU that one input may take; the slowest take a tenth."""
GROWTH = 400 << 20
"""Bytes by which one input may raise the process's peak of memory."""
HANG = 20
"""Seconds after which an input is interrupted: it hangs."""


class BrokenError(AssertionError):
    """An input was met with something else than a right value or a documented error."""

    def __init__(self, problem: str, data: bytes) -> None:
        super().__init__(f"{problem} on {data[:200]!r}{'…' if len(data) > 200 else ''}")
        self.data = data


def run(target: Target, *, examples: int, number: int) -> None:
    """Try ``examples`` inputs drawn from the seed ``number``; raises what one of them raises."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(target.corpus, target.odd))
    def each(data: bytes) -> None:
        attempt(target, data)

    each()


def attempt(target: Target, data: bytes) -> None:
    """Try one input. Raises :class:`BrokenError`."""

    def hangs(_number: int, _frame: FrameType | None) -> None:
        raise BrokenError(f"it hangs for {HANG} s", data)

    before, peak = time.process_time(), _peak()
    old = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(HANG)
    try:
        target.check(data)
    except KeyboardInterrupt:
        raise
    except BaseException as problem:  # a panic of a native library is no Exception
        raise BrokenError(f"{type(problem).__name__}: {problem}", data) from problem
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    took, grown = time.process_time() - before, _peak() - peak
    if took > SECONDS:
        raise BrokenError(f"it takes {took:.1f} s of CPU", data)
    if grown > GROWTH:
        raise BrokenError(f"it takes {grown >> 20} MiB", data)


def _peak() -> int:
    """Bytes of memory that this process has taken at most."""
    unit = 1024 if os.uname().sysname == "Linux" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
