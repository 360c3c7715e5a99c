"""The fold over answers that came in as streams of chunks."""

from __future__ import annotations

from typing import Any, Final

from asyncload.records.record import TIMEOUT, Request, Stream
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.metrics import Distribution

STREAM_FIELDS: Final = {
    "chunks": "chunks",
    "tokens": "tokens",
    "first_byte": "first_byte",
    "first_token": "first_token",
    "token_gap": "chunk_gap",
}
"""Metrics of requests that a :class:`StreamGroup` has, and its attribute for each."""


class StreamGroup:
    """Streamed answers folded; the attributes are those of ``StreamMetrics``, but one.

    The gap between chunks is ``token_gap`` in thresholds and in JSON.
    """

    def __init__(self) -> None:
        self.chunks = self.tokens = 0
        self.first_byte = LatencyHistogram()
        self.first_token = LatencyHistogram()
        self.chunk_gap = LatencyHistogram()

    def add(self, request: Request, stream: Stream) -> None:
        """Fold one answer, complete or not."""
        self.chunks += stream.chunks
        self.tokens += stream.tokens or 0
        if request.first_byte is not None:
            self.first_byte.record(request.first_byte - request.due)
        first = stream.first_token
        if first is None and request.outcome == TIMEOUT:
            first = request.end  # it took at least that long; leaving it out would flatter
        if first is not None:
            self.first_token.record(first - request.due)
        for gap in stream.gaps or ():
            self.chunk_gap.record(gap)

    def merge(self, other: StreamGroup) -> None:
        """Fold all that ``other`` has folded."""
        self.chunks += other.chunks
        self.tokens += other.tokens
        self.first_byte.merge(other.first_byte)
        self.first_token.merge(other.first_token)
        self.chunk_gap.merge(other.chunk_gap)

    def fields(self, token_rate: float) -> dict[str, Any]:
        """Give the fields of ``StreamMetrics``."""
        return {
            "chunks": self.chunks,
            "tokens": self.tokens,
            "token_rate": token_rate,
            "first_byte": Distribution.of(self.first_byte),
            "first_token": Distribution.of(self.first_token),
            "token_gap": Distribution.of(self.chunk_gap),
        }
