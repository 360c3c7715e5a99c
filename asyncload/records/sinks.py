"""Sinks made of other sinks."""

from __future__ import annotations

from asyncload.records.record import Record, Sink


class Tee:
    """Hands every record to several sinks, in order. More may join at any time."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def add(self, sink: Sink) -> None:
        """Hand records to ``sink`` too, from now on."""
        self._sinks = (*self._sinks, sink)

    def write(self, record: Record) -> None:
        """Hand ``record`` on."""
        for sink in self._sinks:
            sink.write(record)
