"""One side of a comparison, from a log."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asyncload.compare.bootstrap import BLOCKS, SHORTEST_BLOCK, Blocks, block_of, per_block
from asyncload.compare.comparison import PERCENTILES, Metric
from asyncload.compare.measured import JOB, Measured, Parts, Side, half_beyond
from asyncload.compare.percentiles import spread_of, times_of
from asyncload.errors import LogError
from asyncload.plan.duration import parse_duration
from asyncload.records.columns import LogColumns, read_columns
from asyncload.records.lines import lines_left_out
from asyncload.records.outcomes import COMPLETED
from asyncload.records.record import DROPPED, OK, SENT, loads
from asyncload.stats import units
from asyncload.stats.by_name import MAX_NAMES
from asyncload.verdict.verdict import WEIGHTS

Array = NDArray[np.float64]

SHORTEST: Final = BLOCKS * SHORTEST_BLOCK
"""Seconds of load that a log must hold for an interval."""
_SMALLEST: Final = 1e-6  # the log's own resolution, seconds
_ROW: Final = ["scenario", "name"]


def read_log_side(
    path: Path,
    *,
    keep_times: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Side:
    """Read the log at ``path``; raises :class:`LogError` as :func:`side_of` and when it cannot."""
    return side_of(read_columns(path, progress=progress), keep_times=keep_times)


def side_of(columns: LogColumns, *, keep_times: bool = False) -> Side:
    """Give one row for each name of a scenario, of requests and of jobs.

    Numbers are those of :mod:`asyncload.stats.summary`: of every arrival that was due after the
    warm-up, but for those interrupted. Latency is from when it was due to its end, and what
    failed, timed out or was dropped is longer than any. Of more than ``MAX_NAMES`` names those
    with the most requests are taken. ``keep_times`` is for pooling.

    Raises :class:`LogError` when the log holds no request and no job.
    """
    known = {} if columns.header is None else loads(columns.header)
    warmup = _warmup(columns)
    spans = _Spans(columns, known, warmup)
    in_figures = pl.col("due") >= warmup
    arrivals = columns.requests.lazy().filter(in_figures)
    requests, fewer_requests = _names(arrivals.filter(pl.col("outcome").is_in(SENT)))
    jobs, fewer_jobs = _names(columns.jobs.lazy().filter(in_figures))
    went_well = pl.col("status").is_in(COMPLETED)
    rows = [
        *_measured(_requests(requests, arrivals), spans, "", keep_times=keep_times),
        *_measured(
            jobs.select(*_ROW, "due", "observed", _latency("observed"), failed=~went_well),
            spans,
            JOB,
            keep_times=keep_times,
        ),
    ]
    if not rows:
        raise LogError(
            f"there is nothing to compare in {columns.path}: it holds no request that was sent and no "
            "job; let the run go on for longer, or name another log"
        )
    invalid, remarks = _judged(columns)
    return Side(
        paths=(columns.path,),
        is_log=True,
        rows=tuple(sorted(rows, key=lambda row: (row.scenario, row.type, row.name))),
        loads=known,
        invalid=invalid,
        left_out=fewer_requests + fewer_jobs,
        remarks=(*remarks, *_remarks(columns, left_out=fewer_requests + fewer_jobs)),
    )


def _warmup(columns: LogColumns) -> float:
    """Seconds from the start that the run left out of its figures."""
    given = 0 if columns.header is None else columns.header.config.get("warmup", 0)
    try:
        return parse_duration(given)
    except ValueError:  # a log of another version may say it otherwise
        return 0.0


def _requests(sent: pl.LazyFrame, arrivals: pl.LazyFrame) -> pl.LazyFrame:
    """Give every arrival that has a name: those sent, and those dropped where there is one name.

    What a dropped arrival would have sent is known only in a scenario of a single name.
    """
    answered = pl.col("outcome") == OK
    # A request that ended well without having been sent has no latency, and is not late either.
    timed = ~answered | pl.col("start").is_not_null()
    every = sent.select(
        *_ROW,
        "due",
        pl.when(answered).then(_latency("end")).alias("latency"),
        failed=~answered,
        dropped=pl.lit(value=False),
        timed=timed,
    )
    single = (
        sent.group_by("scenario")
        .agg(pl.col("name").first(), pl.col("name").n_unique().alias("names"))
        .filter(pl.col("names") == 1)
        .select("scenario", "name")
    )
    dropped = (
        arrivals.filter(pl.col("outcome") == DROPPED)
        .select("scenario", "due")
        .join(single, on="scenario", how="inner")
        .select(
            *_ROW,
            "due",
            pl.lit(None, pl.Float64).alias("latency"),
            failed=pl.lit(value=False),
            dropped=pl.lit(value=True),
            timed=pl.lit(value=True),
        )
    )
    return pl.concat([every, dropped], how="vertical_relaxed")


def _judged(columns: LogColumns) -> tuple[tuple[str, ...], list[str]]:
    """Read the run's verdict: codes of what made it invalid, and what a reader should know.

    A log without one, of a run that was killed or of an older version, says neither.
    """
    verdict = (columns.summary or {}).get("verdict")
    if not isinstance(verdict, dict) or verdict.get("state") not in {"invalid", "inconclusive"}:
        return (), []
    given = verdict.get("reasons")
    texts = {
        str(reason.get("code")): str(reason.get("text"))
        for reason in (given if isinstance(given, list) else [])
        if isinstance(reason, dict)
    }
    found = {code: text for code, text in texts.items() if _weight(code) == "invalid"}
    if verdict["state"] == "invalid":
        codes = tuple(found) or ("no reason given",)
        return codes, [f"the run is invalid, {code}: {text}" for code, text in found.items()]
    if "unsteady" in texts:
        return (), [f"the run is inconclusive, unsteady: {texts['unsteady']}"]
    return (), []


def _weight(code: str) -> str:
    """What a reason makes of a run; one of a later version is taken for what makes it invalid."""
    return next((weight for known, weight in WEIGHTS.items() if known == code), "invalid")


def _names(frame: pl.LazyFrame) -> tuple[pl.LazyFrame, int]:
    """Keep the ``MAX_NAMES`` most frequent names, and say how many that leaves out."""
    counts = frame.group_by(_ROW).len().sort("len", descending=True).collect()
    left_out = max(counts.height - MAX_NAMES, 0)
    if left_out:
        frame = frame.join(counts.head(MAX_NAMES).lazy(), on=_ROW, how="semi")
    return frame, left_out


def _latency(end: str) -> pl.Expr:
    """Latency in seconds; null where there is no end."""
    return (pl.col(end) - pl.col("due")).clip(lower_bound=_SMALLEST).alias("latency")


class _Spans:
    """How long the load of each scenario lasted, and its jobs."""

    def __init__(
        self, columns: LogColumns, known: dict[str, dict[str, Any]], warmup: float
    ) -> None:
        self.warmup = warmup
        self._planned = {name: _duration(load) for name, load in known.items()}
        ended = columns.levels.filter(pl.col("ended")).group_by("scenario").agg(pl.col("t").min())
        self._ended = dict(ended.cast({"scenario": pl.String}).iter_rows())
        self._last = max(
            _last(columns.requests, "end"),
            *(
                _last(frame, "t")
                for frame in (columns.jobs, columns.levels, columns.ledgers, columns.systems)
            ),
            *(note.t for note in columns.notes),
        )
        self._observed = _latest(columns.jobs.filter(pl.col("due") >= warmup), "observed")

    def load(self, scenario: str) -> float:
        """Seconds from the warm-up to the end of the load: as planned, stopped, or not reached."""
        planned, ended = (ends.get(scenario, math.inf) for ends in (self._planned, self._ended))
        return max(min(planned, ended, self._last) - self.warmup, 0.0)

    def jobs(self, scenario: str) -> float:
        """Seconds from the warm-up to the last terminal status."""
        return max(self._observed.get(scenario, 0.0) - self.warmup, 0.0)


def _duration(load: dict[str, Any]) -> float:
    try:
        return parse_duration(load.get("duration"))
    except ValueError:  # a log of another version may say it otherwise
        return math.inf


def _last(frame: pl.DataFrame, time: str) -> float:
    return float(frame[time].max() or 0.0)  # type: ignore[arg-type]  # a column of times


def _latest(frame: pl.DataFrame, time: str) -> dict[str, float]:
    found = frame.group_by("scenario").agg(pl.col(time).max()).drop_nulls()
    return dict(found.cast({"scenario": pl.String}).iter_rows())


def _measured(
    frame: pl.LazyFrame, spans: _Spans, kind: str, *, keep_times: bool
) -> Iterator[Measured]:
    """Measure each name of each scenario.

    Columns due, latency (null: longer than any) and failed; of requests dropped and timed, of
    jobs observed.
    """
    for (scenario, name), group in frame.collect().partition_by(_ROW, as_dict=True).items():
        due = group["due"].to_numpy() - spans.warmup
        latency = group["latency"].fill_null(math.inf).to_numpy()
        failed = group["failed"].to_numpy()
        sent = timed = np.ones(len(due), bool)
        if kind == JOB:
            paced = group["observed"].drop_nulls().to_numpy() - spans.warmup
            pace_span = spans.jobs(scenario)
        else:
            sent, timed = ~group["dropped"].to_numpy(), group["timed"].to_numpy()
            paced, pace_span = due[sent], spans.load(scenario)
        latency = latency[timed]
        beyond = int(np.isinf(latency).sum())
        span = spans.load(scenario)
        long_enough = span >= SHORTEST
        parts = None
        if long_enough:
            blocks = block_of(due, span)
            parts = Parts(
                latency=Blocks.of(blocks[timed], latency),
                sent=per_block(blocks[sent]),
                failed=per_block(blocks[failed]),
                paced=per_block(block_of(paced, pace_span)) if pace_span > 0 else np.zeros(BLOCKS),
            )
        yield Measured(
            type=kind,
            scenario=scenario,
            name=name,
            count=int(sent.sum()),
            failed=int(failed.sum()),
            values={
                **times_of(latency),
                "rate": len(paced) / pace_span if pace_span > 0 else 0.0,
                "failures": float(failed.sum() / sent.sum()),
            },
            missing=_missing(kind, len(latency), beyond, long_enough=long_enough),
            beyond=beyond,
            spread=spread_of(latency),
            latency=latency if keep_times else None,
            parts=parts,
        )


def _missing(kind: str, timed: int, beyond: int, *, long_enough: bool) -> dict[Metric, str]:
    """Say what cannot be compared, whatever the other side is."""
    if not long_enough:
        text = f"has less than {SHORTEST:.0f} s of load"
        return {"average": text, "median": text, "p95": text, "p99": text, "rate": text}
    if not timed:
        return dict.fromkeys(("average", *PERCENTILES), "has no request with a time")
    if 2 * beyond >= timed:
        return {"average": half_beyond(kind)}
    return {}


def _remarks(columns: LogColumns, left_out: int) -> Iterator[str]:
    if columns.summary is None:
        yield "the log has no summary at its end: the run was killed, or goes on"
    if columns.skipped:
        yield lines_left_out(columns.skipped, columns.unknown)
    if left_out:
        yield (
            f"left out {units.counted(left_out, 'name')} with the fewest requests; "
            f"{MAX_NAMES} are compared"
        )
