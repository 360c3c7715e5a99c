"""One side of a comparison, from a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asyncload.compare.bootstrap import BLOCKS, SHORTEST_BLOCK, Blocks, block_of, per_block
from asyncload.compare.comparison import PERCENTILES, Metric
from asyncload.compare.measured import HALF_GIVEN_UP, JOB, Measured, Parts, Side
from asyncload.compare.percentiles import LEVELS, Spread
from asyncload.errors import LogError
from asyncload.plan.duration import parse_duration
from asyncload.records.columns import LogColumns, read_columns
from asyncload.records.outcomes import COMPLETED
from asyncload.records.record import OK, SENT, loads
from asyncload.stats import units
from asyncload.stats.by_name import MAX_NAMES

Array = NDArray[np.float64]

SHORTEST: Final = BLOCKS * SHORTEST_BLOCK
"""Seconds of load that a log must hold for an interval."""
_SMALLEST: Final = 1e-6  # the log's own resolution, seconds
_ROW: Final = ["scenario", "name"]


def read_log_side(path: Path, *, progress: Callable[[int, int], None] | None = None) -> Side:
    """Read the log at ``path``; raises :class:`LogError` as :func:`side_of` and when it cannot."""
    return side_of(read_columns(path, progress=progress))


def side_of(columns: LogColumns) -> Side:
    """Give one row for each name of a scenario, of requests and of jobs.

    Numbers are those of :mod:`asyncload.stats.summary`. Of more than
    ``MAX_NAMES`` names those with the most requests are taken.

    Raises :class:`LogError` when the log holds no request and no job.
    """
    known = {} if columns.header is None else loads(columns.header)
    spans = _Spans(columns, known)
    sent = columns.requests.lazy().filter(pl.col("outcome").is_in(SENT))
    requests, fewer_requests = _names(sent)
    jobs, fewer_jobs = _names(columns.jobs.lazy())
    went_well = pl.col("status").is_in(COMPLETED)
    # A request that could not be made has no latency; it counts among the failures.
    answered = pl.when(pl.col("start").is_not_null()).then(_latency("end")).alias("latency")
    rows = [
        *_measured(requests.select(*_ROW, "due", answered, _OUTCOME), spans, ""),
        *_measured(
            jobs.select(*_ROW, "due", "observed", _latency("observed"), failed=~went_well),
            spans,
            JOB,
        ),
    ]
    if not rows:
        raise LogError(
            f"there is nothing to compare in {columns.path}: it holds no request that was sent and no "
            "job; let the run go on for longer, or name another log"
        )
    return Side(
        path=columns.path,
        is_log=True,
        rows=tuple(sorted(rows, key=lambda row: (row.scenario, row.type, row.name))),
        loads=known,
        left_out=fewer_requests + fewer_jobs,
        remarks=tuple(_remarks(columns, left_out=fewer_requests + fewer_jobs)),
    )


def _names(frame: pl.LazyFrame) -> tuple[pl.LazyFrame, int]:
    """Keep the ``MAX_NAMES`` most frequent names, and say how many that leaves out."""
    counts = frame.group_by(_ROW).len().sort("len", descending=True).collect()
    left_out = max(counts.height - MAX_NAMES, 0)
    if left_out:
        frame = frame.join(counts.head(MAX_NAMES).lazy(), on=_ROW, how="semi")
    return frame, left_out


_OUTCOME: Final = (pl.col("outcome") != OK).alias("failed")


def _latency(end: str) -> pl.Expr:
    """Latency in seconds; null where there is no end."""
    return (pl.col(end) - pl.col("due")).clip(lower_bound=_SMALLEST).alias("latency")


class _Spans:
    """How long the load of each scenario lasted, and its jobs."""

    def __init__(self, columns: LogColumns, known: dict[str, dict[str, Any]]) -> None:
        self._planned = {name: _duration(load) for name, load in known.items()}
        ended = columns.levels.filter(pl.col("ended"))
        self._ended = _by_scenario(ended, pl.col("t").min())
        self._last = max(
            _last(columns.requests, "end"),
            *(
                _last(frame, "t")
                for frame in (columns.jobs, columns.levels, columns.ledgers, columns.systems)
            ),
            *(note.t for note in columns.notes),
        )
        self._observed = _by_scenario(columns.jobs, pl.col("observed").max())

    def load(self, scenario: str) -> float:
        """Seconds from the start to the end of the load: as planned, stopped, or not reached."""
        planned, ended = (ends.get(scenario, math.inf) for ends in (self._planned, self._ended))
        return min(planned, ended, self._last)

    def jobs(self, scenario: str) -> float:
        """Seconds from the start to the last terminal status."""
        return self._observed.get(scenario, 0.0)


def _duration(load: dict[str, Any]) -> float:
    try:
        return parse_duration(load.get("duration"))
    except ValueError:  # a log of another version may say it otherwise
        return math.inf


def _last(frame: pl.DataFrame, time: str) -> float:
    return float(frame[time].max() or 0.0)  # type: ignore[arg-type]  # a column of times


def _by_scenario(frame: pl.DataFrame, time: pl.Expr) -> dict[str, float]:
    found = frame.group_by("scenario").agg(time).drop_nulls()
    return dict(found.cast({"scenario": pl.String}).iter_rows())


def _measured(frame: pl.LazyFrame, spans: _Spans, kind: str) -> Iterator[Measured]:
    """Measure each name of each scenario; columns due, latency, failed, and of jobs observed."""
    for (scenario, name), group in frame.collect().partition_by(_ROW, as_dict=True).items():
        due = group["due"].to_numpy()
        latency = group["latency"].fill_null(math.inf).to_numpy()
        timed = np.ones(len(latency), bool) if kind == JOB else np.isfinite(latency)
        if timed.any():
            latency = latency[timed]
        else:  # as of jobs of which none ended
            timed[:] = True
        failed = group["failed"].to_numpy()
        span = spans.load(scenario)
        paced, pace_span = due, span
        if kind == JOB:
            paced, pace_span = group["observed"].drop_nulls().to_numpy(), spans.jobs(scenario)
        given_up = int(np.isinf(latency).sum())
        long_enough = span >= SHORTEST
        parts = None
        if long_enough:
            blocks = block_of(due, span)
            parts = Parts(
                latency=Blocks.of(blocks[timed], latency),
                sent=per_block(blocks),
                failed=per_block(blocks[failed]),
                paced=per_block(block_of(paced, pace_span)) if pace_span > 0 else np.zeros(BLOCKS),
            )
        yield Measured(
            type=kind,
            scenario=scenario,
            name=name,
            count=len(due),
            failed=int(failed.sum()),
            values={
                **_times(latency, given_up),
                "rate": len(paced) / pace_span if pace_span > 0 else 0.0,
                "failures": float(failed.mean()),
            },
            missing=_missing(len(due), given_up, long_enough=long_enough),
            given_up=given_up,
            spread=Spread.of(len(due), zip(LEVELS, _percentiles(latency, LEVELS), strict=True)),
            parts=parts,
        )


def _times(latency: Array, given_up: int) -> dict[Metric, float | None]:
    """Mean of the latencies that ended, and nearest-rank percentiles of all; seconds."""
    ended = len(latency) - given_up
    percentiles = dict(zip(PERCENTILES, _percentiles(latency, PERCENTILES.values()), strict=True))
    known = latency[np.isfinite(latency)] if given_up else latency
    average = float(known.mean()) if ended else None
    return {"average": average, **percentiles}


def _percentiles(latency: Array, percents: Iterable[float]) -> list[float]:
    """Nearest-rank percentiles."""
    ranks = [max(math.ceil(percent * len(latency) / 100 - 1e-9), 1) for percent in percents]
    ordered = np.partition(latency, [rank - 1 for rank in ranks])
    return [float(ordered[rank - 1]) for rank in ranks]


def _missing(count: int, given_up: int, *, long_enough: bool) -> dict[Metric, str]:
    """Say what cannot be compared, whatever the other side is."""
    if not long_enough:
        text = f"has less than {SHORTEST:.0f} s of load"
        return {"average": text, "median": text, "p95": text, "p99": text, "rate": text}
    return {"average": HALF_GIVEN_UP} if 2 * given_up >= count else {}


def _remarks(columns: LogColumns, left_out: int) -> Iterator[str]:
    if columns.summary is None:
        yield "the log has no summary at its end: the run was killed, or goes on"
    if columns.skipped:
        yield f"left out {units.counted(columns.skipped, 'line')} that could not be read"
    if left_out:
        yield (
            f"left out {units.counted(left_out, 'name')} with the fewest requests; "
            f"{MAX_NAMES} are compared"
        )
