"""The highest open rate of plain requests that this machine drives, and its lateness below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from asyncload.calibration.certificate import Lateness, TopRate
from asyncload.calibration.plain_load import PlainTrial, TrialSpec, busy, run_plain
from asyncload.capacity.result import Outcome, TrialResult
from asyncload.capacity.strategy import SearchRange, Trial, bounds, next_trial
from asyncload.errors import MachineBusyError
from asyncload.stats import units

FIRST: Final = 2000.0
"""The first rate: what any machine drives that is not busy otherwise."""
LEAST: Final = 250.0
"""Where the search starts again when that fails."""
MOST: Final = 256_000.0
"""Beyond what one process does by far; so the load is bounded."""
SHARES: Final = (0.1, 0.5, 0.9)
"""Of the top rate, at which lateness is measured."""
_LOWER: Final = 0.85  # of a rate that was not held
_HOLDS: Final = 6  # tries to hold a rate, each at a lower one

Say = Callable[[str], None]
"""Is told what is being done."""


class SearchTimes(NamedTuple):
    """How long a search takes its trials, and how closely it looks."""

    trial: TrialSpec
    hold: TrialSpec
    """At the end: of the rate that was found."""
    precision: float


async def find_top_rate(url: str, times: SearchTimes, say: Say) -> TopRate:
    """Search for the top rate with short trials, and hold it for longer then.

    Raises :class:`MachineBusyError` when no rate at all was valid.
    """
    made: list[PlainTrial] = []
    precision = times.precision
    search = SearchRange(start=FIRST, most=MOST, factor=2.0, precision=precision)
    passed, failed = await _search(url, times.trial, search, made, say)
    if passed is None:
        search = SearchRange(start=LEAST, most=FIRST, factor=2.0, precision=precision)
        passed, failed = await _search(url, times.trial, search, made, say)
    if passed is None:
        raise _busy(made[-1])
    rate = passed
    for number in range(_HOLDS):
        say(f"top rate: holding {units.rate(rate)} for {times.hold.duration:g} s")
        trial = await run_plain(url, rate, times.hold, seed=100 + number)
        made.append(trial)
        if trial.valid:
            break
        failed = rate
        rate = float(f"{rate * _LOWER:.4g}")
    else:
        raise _busy(made[-1])
    # What failed last and lowest says what the limit is.
    last = next((one for one in reversed(made) if one.rate == failed and not one.valid), None)
    return TopRate(
        rate=rate,
        failed_at=failed,
        limit="" if last is None else last.sentence,
        by_service=last is not None and not last.by_generator,
        duration=times.hold.duration,
    )


async def _search(
    url: str, spec: TrialSpec, search: SearchRange, made: list[PlainTrial], say: Say
) -> tuple[float | None, float | None]:
    """Find the highest rate that is valid, and the lowest that is not."""
    results: list[TrialResult] = []
    while isinstance(coming := next_trial(search, results), Trial):
        say(f"top rate: trying {units.rate(coming.rate)}")
        trial = await run_plain(url, coming.rate, spec, seed=1 + len(made))
        made.append(trial)
        outcome: Outcome = "passed" if trial.valid else "close" if trial.close else "failed"
        results.append(
            TrialResult(
                rate=coming.rate,
                duration=spec.duration,
                outcome=outcome,
                attempt=coming.attempt,
            )
        )
    known = bounds(results)
    return known.passed, known.failed


async def measure_lateness(url: str, top: float, spec: TrialSpec, say: Say) -> tuple[Lateness, ...]:
    """Measure lateness at some shares of the top rate.

    Raises :class:`MachineBusyError` when the lowest of them was not valid, twice.
    """
    found = []
    for number, share in enumerate(SHARES):
        rate = share * top
        say(f"lateness at {100 * share:.0f} % of it, {units.rate(rate)}")
        trial = await run_plain(url, rate, spec, seed=200 + number)
        if not trial.valid:  # something else may have disturbed it once
            trial = await run_plain(url, rate, spec, seed=300 + number)
        if share == SHARES[0] and trial.by_generator:
            raise _busy(trial)
        late = trial.lateness
        found.append(
            Lateness(
                share=share,
                rate=rate,
                count=late.count,
                p50=late.p50 or 0.0,
                p99=late.p99 or 0.0,
                max=late.max or 0.0,
                valid=trial.valid,
            )
        )
    return tuple(found)


def _busy(trial: PlainTrial) -> MachineBusyError:
    return busy(trial.rate, trial.sentence or "the run was not valid")
