"""What every graph is drawn from: a log as a run, and its scenarios as parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import polars as pl

from asyncload.errors import LogError
from asyncload.plan.duration import parse_duration
from asyncload.records.columns import LogColumns
from asyncload.records.record import OK, Note, RunHeader
from asyncload.report.plots.bins import MAX_BINS, Bins
from asyncload.report.plots.target import Load, loads
from asyncload.stats.timeline.batch_means import MOST, SMALLEST
from asyncload.stats.timeline.mser import warm_up
from asyncload.verdict.verdict import WEIGHTS, Code

NOTABLE: Final = 0.05
"""Share of a run from which on a warm-up is shown that the config does not leave out."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One scenario of a run, or all of them together (``scenario`` is ``None``)."""

    scenario: str | None
    requests: pl.DataFrame
    jobs: pl.DataFrame
    levels: pl.DataFrame
    streams: pl.DataFrame
    loads: tuple[Load, ...]
    """Those of its scenarios; empty unless the log tells those of all."""
    model: str | None
    """``open`` or ``closed``; ``None`` when the log does not say, or they differ."""
    settles: float | None = None
    """Where the warm-up ends by MSER-5, seconds, if it surely differs from the rest and is a
    notable share of the run; ``None`` where the config says how long the warm-up is."""

    @property
    def load_end(self) -> float:
        """When nothing more was started: seconds, as the log tells it, or as planned."""
        over = self.levels.filter(pl.col("ended")).group_by("scenario").agg(pl.col("t").min())
        if not over.is_empty():
            return _latest(over, "t")
        # A log of an earlier version, or of a run that was killed.
        planned = max((load.duration or math.inf for load in self.loads), default=math.inf)
        last = max(_latest(self.requests, "end"), _latest(self.jobs, "t"))
        due = max(_latest(self.requests, "due"), _latest(self.jobs, "due"))
        return planned if planned <= last else math.nextafter(due, math.inf)

    @property
    def has_jobs(self) -> bool:
        """Whether its work is jobs: their requests only send them."""
        return not self.jobs.is_empty() or bool((self.levels["backlog"] > 0).any())


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A log, ready to be drawn."""

    name: str
    header: RunHeader | None
    notes: tuple[Note, ...]
    finished: bool
    """Whether the log ends with a summary."""
    skipped: int
    """Lines of the log that could not be read."""
    span: float
    """Seconds from the start to the last thing recorded."""
    bins: Bins
    """For counts of events."""
    parts: tuple[Part, ...]
    """One for each scenario, or one of all when there are more than six; none when nothing was
    sent."""
    systems: pl.DataFrame
    """Samples of hosts: the columns of :data:`~asyncload.records.columns.SYSTEMS`."""
    warmup: float = 0.0
    """Seconds from the start that distributions leave out."""
    verdict: tuple[str, tuple[str, ...]] | None = None
    """What the log's summary says that the run proves, if it is not valid: the state, and the
    codes of its reasons."""

    @property
    def load_end(self) -> float:
        """When nothing more was started in any scenario, seconds."""
        return max((part.load_end for part in self.parts), default=0.0)

    @property
    def sent(self) -> bool:
        """Whether it was a run of a load, and not of ``asyncload monitor``."""
        return bool(self.parts)


def run_of(columns: LogColumns) -> Run:
    """Prepare ``columns`` for drawing. Raises :class:`LogError` when nothing was sent.

    The log of ``asyncload monitor``, which has no level of a load, may do with samples of hosts.
    """
    sent = not (columns.requests.is_empty() and columns.jobs.is_empty())
    monitored = columns.levels.is_empty() and not columns.systems.is_empty()
    if not sent and not monitored:
        raise LogError(
            f"there is nothing to plot in {columns.path}: it holds no request and no job; "
            "let the run go on for longer, or name another log"
        )
    ends = (
        columns.requests["end"].max(),
        columns.jobs["t"].max(),
        columns.jobs["observed"].max(),
        columns.levels["t"].max(),
        None if sent else columns.systems["t"].max(),
    )
    span = max(0.0, *(float(end) for end in ends if isinstance(end, float)))
    warmup = _warmup(columns.header)
    # 60 bins or more, as far as there are some three events for each.
    events = max(columns.requests.height, columns.jobs.height)
    return Run(
        name=columns.header.name if columns.header else columns.path.name,
        header=columns.header,
        notes=tuple(columns.notes),
        finished=columns.summary is not None,
        skipped=columns.skipped,
        span=span,
        bins=Bins.over(span, min(MAX_BINS, max(60, events // 3))),
        parts=_parts(columns, warmup) if sent else (),
        systems=columns.systems,
        warmup=warmup,
        verdict=_verdict(columns.summary),
    )


def _warmup(header: RunHeader | None) -> float:
    try:
        return parse_duration(header.config.get("warmup", 0)) if header is not None else 0.0
    except ValueError:  # a log of another version may say it otherwise
        return 0.0


def _verdict(summary: dict[str, Any] | None) -> tuple[str, tuple[str, ...]] | None:
    """Read the verdict off a summary, if it has one in our words and it is not valid."""
    verdict = (summary or {}).get("verdict")
    state = verdict.get("state") if isinstance(verdict, dict) else None
    if not isinstance(verdict, dict) or state not in {"invalid", "inconclusive"}:
        return None
    reasons = verdict.get("reasons")
    codes = [
        reason["code"]
        for reason in (reasons if isinstance(reasons, list) else [])
        if isinstance(reason, dict)
        and isinstance(reason.get("code"), str)
        and WEIGHTS.get(cast("Code", reason["code"])) == state
    ]
    return state, tuple(dict.fromkeys(codes))


def _parts(columns: LogColumns, warmup: float) -> tuple[Part, ...]:
    frames = columns.requests, columns.jobs, columns.levels, columns.streams
    known = loads(columns.header)
    seen = pl.concat([frame["scenario"].unique(maintain_order=True) for frame in frames])
    names = list(seen.unique(maintain_order=True).drop_nulls())
    if len(names) > 6:
        return (_part(None, names, frames, known, warmup),)
    if len(names) == 1:
        return (_part(names[0], names, frames, known, warmup),)
    names.sort(key=lambda name: list(known).index(name) if name in known else len(known))
    result = []
    for name in names:
        mine = [frame.filter(pl.col("scenario") == name) for frame in frames]
        result.append(_part(name, [name], mine, known, warmup))
    return tuple(result)


def _part(
    scenario: str | None,
    names: list[str],
    frames: Sequence[pl.DataFrame],
    known: dict[str, Load],
    warmup: float,
) -> Part:
    requests, jobs, levels, streams = frames
    mine = tuple(known[name] for name in names if name in known)
    models = {load.model for load in mine}
    complete = len(mine) == len(names)
    return Part(
        scenario,
        requests,
        jobs,
        levels,
        streams,
        loads=mine if complete else (),
        model=models.pop() if complete and len(models) == 1 else None,
        settles=None if warmup or not jobs.is_empty() else _settles(requests, levels),
    )


def _settles(requests: pl.DataFrame, levels: pl.DataFrame) -> float | None:
    """Find where the warm-up ends by MSER-5, as the summary does: of constant loads alone."""
    targets = levels.filter(pl.col("target") > 0)["target"]
    if targets.is_empty() or targets.n_unique() > 1:
        return None
    ok = requests.lazy().filter(pl.col("outcome") == OK).select("due", "end").collect()
    ends = ok["end"].to_numpy()
    latency = np.round(ok["end"].to_numpy() - ok["due"].to_numpy(), 6)  # noise of floats is none
    size = SMALLEST * 2 ** max(0, math.ceil(math.log2(max(len(ends), 1) / SMALLEST / MOST)))
    count = len(ends) // size
    means = latency[: count * size].reshape(count, size).mean(axis=1)
    advice = warm_up(ends[size - 1 :: size][:count].tolist(), means.tolist())
    if advice is None or not advice.notable or advice.share <= NOTABLE:
        return None
    return advice.until


def _latest(frame: pl.DataFrame, column: str) -> float:
    value = frame[column].max()
    return value if isinstance(value, float) else 0.0
