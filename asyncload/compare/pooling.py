"""Several runs of one side as one.

Counts add up, and rates are averaged over the runs. Of logs the latencies of a name are put
together: every request weighs the same. Tenth i of the pooled run is tenth i of each of its runs
side by side, so that what the shape of the load does to it still cancels in a change
(:mod:`asyncload.compare.bootstrap`).

Of CSVs the average weighs as many requests as it is of. A percentile of the pooled requests is
none of the runs' own, and no mean of them: it is where the mixed distribution, Σ nᵢFᵢ(t) / Σ nᵢ,
reaches the share, each Fᵢ drawn straight between the percentiles that its CSV has
(:mod:`asyncload.compare.percentiles`). It always lies between the least and the greatest of the
runs' own. Where a CSV has no ``100%``, its distribution has no end, and nothing is pooled.

Each run's own values are kept, for what differs from run to run
(:mod:`asyncload.compare.intervals`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from asyncload.compare.bootstrap import Blocks
from asyncload.compare.comparison import PERCENTILES, Metric
from asyncload.compare.measured import Measured, Parts, Side, half_beyond
from asyncload.compare.percentiles import LEVELS, Spread, mixed, spread_of, times_of
from asyncload.errors import ConfigError
from asyncload.stats import units

_NO_END: Final = "has a CSV without the column 100%, and its percentiles cannot be pooled"


def pool(sides: Sequence[Side]) -> Side:
    """Make one side of several runs; of a single one it is that itself.

    Logs must have been read with their times kept. Raises :class:`ConfigError` when some are
    logs and some CSVs.
    """
    if len(sides) == 1:
        return sides[0]
    paths = tuple(path for side in sides for path in side.paths)
    if len({side.is_log for side in sides}) > 1:
        one, other = (next(s for s in sides if s.is_log is kind) for kind in (True, False))
        raise ConfigError(
            f"{one.title} is a log and {other.title} a CSV, and both are runs of one side; "
            "give files of one kind"
        )
    found: dict[tuple[str, str, str], list[Measured]] = {}
    for side in sides:
        for row in side.rows:
            found.setdefault((row.scenario, row.type, row.name), []).append(row)
    return Side(
        paths=paths,
        is_log=sides[0].is_log,
        rows=tuple(_pooled(found[key]) for key in sorted(found)),
        loads=sides[0].loads,
        invalid=tuple(dict.fromkeys(code for side in sides for code in side.invalid)),
        left_out=sum(side.left_out for side in sides),
        remarks=tuple(_remarks(sides, found)),
    )


def _remarks(
    sides: Sequence[Side], found: dict[tuple[str, str, str], list[Measured]]
) -> Iterator[str]:
    for side in sides:
        for remark in side.remarks:
            yield f"{side.title}: {remark}"
    partly = [name for (_, _, name), rows in found.items() if len(rows) < len(sides)]
    if partly:
        yield (
            f"not in each of the {len(sides)} runs, and pooled of those that have it: "
            f"{units.one_line(', '.join(partly))}"
        )
    if any(side.loads != sides[0].loads for side in sides):
        yield "the load was not the same in all of its runs; what differs may come from that"


def _pooled(runs: Sequence[Measured]) -> Measured:
    """Pool one name."""
    if len(runs) == 1:
        return runs[0]
    count, failed = sum(run.count for run in runs), sum(run.failed for run in runs)
    latencies = [run.latency for run in runs if run.latency is not None]
    of_logs = len(latencies) == len(runs)
    beyond = sum(run.beyond for run in runs)
    missing: dict[Metric, str] = {}
    for run in runs:
        missing |= {metric: _of_one(reason) for metric, reason in run.missing.items()}
    if of_logs:
        latency = np.concatenate(latencies)
        times, spread = times_of(latency), spread_of(latency)
        if len(latency) and 2 * beyond >= len(latency):
            missing["average"] = half_beyond(runs[0].type)
    else:
        times, spread = _times_of_csvs(runs)
        if spread is None:
            missing |= dict.fromkeys(PERCENTILES, _NO_END)
    rates = [run.values["rate"] or 0.0 for run in runs]
    return Measured(
        type=runs[0].type,
        scenario=runs[0].scenario,
        name=runs[0].name,
        count=count,
        failed=failed,
        values={
            **times,
            "rate": math.fsum(rates) / len(rates),
            "failures": failed / count if count else None,
        },
        missing=missing,
        beyond=beyond,
        rounding={
            metric: max(run.rounding.get(metric, 0.0) for run in runs) for metric in PERCENTILES
        },
        spread=spread,
        parts=_parts([run.parts for run in runs]),
        runs=tuple(run.values for run in runs),
    )


def _of_one(reason: str) -> str:
    return reason if reason.startswith("has a ") else f"has a run that {reason}"


def _times_of_csvs(runs: Sequence[Measured]) -> tuple[dict[Metric, float | None], Spread | None]:
    averages = [(run.count, run.values["average"]) for run in runs]
    average = None
    if all(value is not None for _, value in averages):
        # Of jobs, those that ended; a CSV does not tell how many those are.
        weights = sum(count for count, _ in averages) or 1
        average = math.fsum(count * (value or 0.0) for count, value in averages) / weights
    spreads = [run.spread for run in runs if run.spread is not None]
    if len(spreads) < len(runs):
        return {"average": average, **dict.fromkeys(PERCENTILES)}, None
    levels = dict(zip(LEVELS, mixed(spreads, LEVELS), strict=True))
    percentiles: dict[Metric, float | None] = {}
    for metric, percent in PERCENTILES.items():
        own = [value for run in runs if (value := run.values[metric]) is not None]
        if len(own) == len(runs):
            levels[percent] = min(max(levels[percent], min(own)), max(own))
            percentiles[metric] = levels[percent]
        else:
            percentiles[metric] = None
    spread = Spread.of(sum(one.count for one in spreads), levels.items())
    return {"average": average, **percentiles}, spread


def _parts(runs: Sequence[Parts | None]) -> Parts | None:
    """Lay the tenths of the runs side by side; ``None`` where one run has none."""
    known = [run for run in runs if run is not None]
    if len(known) < len(runs):
        return None
    return Parts(
        latency=Blocks.merged([run.latency for run in known]),
        sent=np.sum([run.sent for run in known], axis=0),
        failed=np.sum([run.failed for run in known], axis=0),
        paced=np.sum([run.paced for run in known], axis=0),
    )
