"""The columns a log is read into: names and types, by the kind of record."""

from __future__ import annotations

from typing import Any, Final, Protocol

import polars as pl

from asyncload.records.record import Ledger, Record, Stream

_F: Final = pl.Float64
_I: Final = pl.Int64
TEXT: Final = pl.Categorical

Schema = dict[str, Any]

REQUESTS: Final[Schema] = {
    "scenario": TEXT,
    "name": TEXT,
    "due": _F,
    "start": _F,
    "end": _F,
    "outcome": TEXT,
    "status": pl.Int32,
    "begun": _F,
    "ready": _F,
    "sent": _F,
    "first_byte": _F,
}
STREAMS: Final[Schema] = {
    "scenario": TEXT,
    "name": TEXT,
    "due": _F,
    "end": _F,
    "outcome": TEXT,
    "chunks": _I,
    "tokens": _I,
    "first_token": _F,
    "last_token": _F,
    "mean_gap": _F,
    "longest_gap": _F,
}
"""Of the gaps between chunks, of which an answer may have thousands, only what can be drawn."""
STREAM: Final = pl.Struct({"chunks": _I, "first_token": _F, "tokens": _I, "gaps": pl.List(_F)})
"""The field ``stream`` of a request, as it is in the log."""
JOBS: Final[Schema] = {
    "scenario": TEXT,
    "name": TEXT,
    "t": _F,
    "due": _F,
    "start": _F,
    "accepted": _F,
    "started": _F,
    "finished": _F,
    "observed": _F,
    "status": TEXT,
}
LEVELS: Final[Schema] = {
    "t": _F,
    "scenario": TEXT,
    "target": _F,
    "users": _I,
    "in_flight": _I,
    "backlog": _I,
    "ended": pl.Boolean,
}
LEDGERS: Final[Schema] = {name: _F if name == "t" else _I for name in Ledger.__struct_fields__}
SYSTEMS: Final[Schema] = {
    "t": _F,
    "host": TEXT,
    "cpu": _F,
    "memory": _I,
    "host_cpu": _F,
    "loop_lag": _F,
    "log_backlog": _I,
    "gpu": pl.List(pl.Struct(dict.fromkeys(("id", "utilisation", "memory", "memory_total"), _F))),
    "host_memory": _I,
    "memory_total": _I,
    "network_in": _F,
    "network_out": _F,
    "metrics": pl.List(pl.Struct({"name": pl.String, "value": _F})),
    "gc_pause": _F,
    "gc_time": _F,
    "steal": _F,
    "core_cpu": _F,
    "cpu_wait": _F,
    "clock_jump": _F,
    "suspended": _F,
    "consumer_lag": _F,
    "full_polls": _F,
    "blocked": _F,
    "blocked_by": pl.String,
}

REQUIRED: Final = {
    "request": ["scenario", "name", "due", "end", "outcome"],
    "job": ["scenario", "name", "t", "due", "start", "status"],
}
"""Fields without which a line is unreadable."""


class Answered(Protocol):
    """What is taken of a request beside its stream."""

    scenario: str
    name: str
    due: float
    end: float
    outcome: str


class Streamed(Record, tag="streamed"):
    """A request whose answer was a stream; no log has such a record."""

    scenario: str
    name: str
    due: float
    end: float
    outcome: str
    chunks: int
    tokens: int | None
    first_token: float | None
    last_token: float | None
    mean_gap: float | None
    longest_gap: float | None

    @classmethod
    def of(cls, request: Answered, stream: Stream) -> Streamed:
        """Take what is drawn of ``stream``, the answer to ``request``."""
        gaps, first = stream.gaps or [], stream.first_token
        return cls(
            scenario=request.scenario,
            name=request.name,
            due=request.due,
            end=request.end,
            outcome=request.outcome,
            chunks=stream.chunks,
            tokens=stream.tokens,
            first_token=first,
            last_token=None if first is None else first + sum(gaps),
            mean_gap=sum(gaps) / len(gaps) if gaps else None,
            longest_gap=max(gaps, default=None),
        )


def streams_in(lines: pl.DataFrame) -> pl.DataFrame:
    """Take the requests whose answers were streams."""
    stream = pl.col("stream").struct
    gaps, first = stream.field("gaps").list, stream.field("first_token")
    derived = {
        "chunks": stream.field("chunks"),
        "tokens": stream.field("tokens"),
        "first_token": first,
        "last_token": first + gaps.sum().fill_null(0.0),
        "mean_gap": gaps.mean(),
        "longest_gap": gaps.max(),
    }
    return (
        lines.lazy()
        .filter((pl.col("type") == "request") & pl.col("stream").is_not_null())
        .select(
            derived.get(name, pl.col(name)).cast(to, strict=False).alias(name)
            for name, to in STREAMS.items()
        )
        .drop_nulls([*REQUIRED["request"], "chunks"])
        .collect()
    )
