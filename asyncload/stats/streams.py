"""The fold over answers that came in as streams of chunks."""

from __future__ import annotations

from typing import Any, Final

from asyncload.records.record import OK, Request, Stream
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.times import Times

STREAM_TIMES: Final = ("first_byte", "first_token", "token_gap")
STREAM_FIELDS: Final = frozenset({"chunks", "tokens", *STREAM_TIMES})
"""Metrics of requests that a :class:`StreamGroup` has."""


class StreamGroup:
    """Streamed answers folded; the attributes are those of ``StreamMetrics``, but one.

    The gap between chunks is ``token_gap`` in thresholds and in JSON.
    """

    def __init__(self) -> None:
        self.chunks = self.tokens = 0
        self.beyond = 0
        """Answers that did not end well: their first token counts as later than any."""
        self.first_byte = LatencyHistogram()
        self.first_token = LatencyHistogram()
        self.chunk_gap = LatencyHistogram()

    def add(self, request: Request, stream: Stream) -> None:
        """Fold one answer, complete or not."""
        self.chunks += stream.chunks
        self.tokens += stream.tokens or 0
        for gap in stream.gaps or ():
            self.chunk_gap.record(gap)
        if request.outcome != OK:
            self.beyond += 1
            return
        if request.first_byte is not None:
            self.first_byte.record(request.first_byte - request.due)
        if stream.first_token is not None:
            self.first_token.record(stream.first_token - request.due)

    def merge(self, other: StreamGroup) -> None:
        """Fold all that ``other`` has folded."""
        self.chunks += other.chunks
        self.tokens += other.tokens
        self.beyond += other.beyond
        self.first_byte.merge(other.first_byte)
        self.first_token.merge(other.first_token)
        self.chunk_gap.merge(other.chunk_gap)

    def times(self, field: str) -> Times:
        """Find a time of these answers, by its name in thresholds."""
        if field == "token_gap":
            return Times(self.chunk_gap)
        return Times(getattr(self, field), beyond=self.beyond)

    def fields(self, token_rate: float) -> dict[str, Any]:
        """Give the fields of ``StreamMetrics``."""
        return {
            "chunks": self.chunks,
            "tokens": self.tokens,
            "token_rate": token_rate,
            **{field: self.times(field).distribution() for field in STREAM_TIMES},
        }
