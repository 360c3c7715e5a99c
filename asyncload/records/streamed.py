"""Requests whose answers were streams, as columns."""

from __future__ import annotations

from typing import Protocol

import polars as pl

from asyncload.records.record import Record, Stream
from asyncload.records.schemas import REQUIRED, STREAMS


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
