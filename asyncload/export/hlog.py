"""The latencies of a run as an HdrHistogram log, format 1.3, for the tools of HdrHistogram.

A line is an interval of one second and a *tag*: ``request:SCENARIO:NAME`` or
``job:SCENARIO:NAME``. Its histogram counts the latencies in whole µs of what ended well in that
second: of requests the ``ok_latency``, of jobs the latency of those whose end was observed. The
format has no place for what did not end well; comments at the end of the file count it. The
histograms of a tag add up to the one that the summary is read off.
"""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
import urllib.parse
from collections import deque
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from asyncload.records.files import cannot_write
from asyncload.records.record import OK, Job, Record, Request, RunHeader
from asyncload.stats.by_name import OTHER_NAMES
from asyncload.stats.groups import JobGroup, RequestGroup
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.summary import SummaryFold

INTERVAL: Final = 1.0
"""Seconds of an interval."""
_PAUSE: Final = 0.25
"""Seconds between two looks of the writing thread."""
_BREATH: Final = 1e-4
"""Seconds after each histogram in which the event loop may have the GIL."""
# A tag ends at a comma, and Java's reader at white space, too. Of ASCII the rest is kept as it is.
_SAFE: Final = "".join(chr(code) for code in range(33, 127) if chr(code) not in "%,")
_LEGEND: Final = (
    '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n'
)

Key = tuple[str, str, str]
"""``request`` or ``job``, the scenario, and the name."""


class _Interval(NamedTuple):
    """What ended well in one second; nobody records into it any more."""

    start: float
    histograms: dict[Key, LatencyHistogram]


class HistogramLog:
    """A sink that writes the file at ``path`` while a run goes on.

    It stands behind ``fold`` among the sinks: names and the warm-up are told apart as the
    fold does. An interval is sealed by the first record of a later second, and written by a thread
    of its own, so that the memory taken is that of one interval. A record belongs to the second
    in which it comes in. The header of the run, which comes first, begins the file; what goes wrong
    is told in :attr:`error`.
    """

    def __init__(self, path: Path, fold: SummaryFold) -> None:
        self.path = path
        self.error: str | None = None
        self._fold = fold
        self._second = 0
        self._open: dict[Key, LatencyHistogram] = {}
        self._sealed: deque[_Interval] = deque()
        self._file: BinaryIO | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asyncload-hlog", daemon=True)

    def _begin(self, header: RunHeader) -> None:
        """Begin the file; that of an earlier run is written over."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        except OSError as problem:
            self.error = cannot_write(self.path, problem)
            return
        self._put(_head(dt.datetime.fromisoformat(header.started_at).timestamp()))
        self._thread.start()

    def write(self, record: Record) -> None:
        """Take in one record. Never blocks, but for the opening of the file."""
        if isinstance(record, RunHeader):
            self._begin(record)
            return
        t = getattr(record, "t", None)
        if t is not None and t >= self._second + 1:
            self._seal(math.floor(t / INTERVAL))
        if isinstance(record, Request):
            if record.outcome == OK and record.start is not None:
                self._record("request", record, self._fold.requests, record.end - record.due)
        elif isinstance(record, Job) and record.observed is not None:
            self._record("job", record, self._fold.jobs, record.observed - record.due)

    def finish(self) -> None:
        """Write what is left, and what the file lacks; the run is over. Safe to call twice."""
        if self._file is None:
            return
        self._seal(self._second)
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()
        self._write_sealed()
        self._put("".join(f"#[{text}]\n" for text in self._missing()))
        try:
            self._file.close()
        except OSError as problem:
            self.error = self.error or cannot_write(self.path, problem)
        self._file = None

    def _record(
        self,
        kind: str,
        record: Request | Job,
        groups: dict[tuple[str, str], RequestGroup] | dict[tuple[str, str], JobGroup],
        latency: float,
    ) -> None:
        if record.due < self._fold.warmup:
            return
        known = (record.scenario, record.name) in groups
        key = (kind, record.scenario, record.name if known else OTHER_NAMES)
        histogram = self._open.get(key)
        if histogram is None:
            histogram = self._open[key] = LatencyHistogram()
        histogram.record(latency)

    def _seal(self, second: int) -> None:
        if self._open:
            self._sealed.append(_Interval(self._second * INTERVAL, self._open))
            self._open = {}
        self._second = second

    def _run(self) -> None:
        while not self._closing.wait(_PAUSE):
            self._write_sealed()

    def _write_sealed(self) -> None:
        """Write what is ready. Whatever fails in it is an error, and the thread goes on."""
        try:
            while self._sealed:
                interval = self._sealed.popleft()
                for key, histogram in sorted(interval.histograms.items()):
                    self._put(_line(interval.start, key, histogram))
                    if not self._closing.is_set():
                        time.sleep(_BREATH)
            self._flush()
        except OSError as problem:  # encoding may open files: numpy imports parts of itself late
            self.error = self.error or cannot_write(self.path, problem)
        except Exception as problem:
            self.error = self.error or f"cannot write {self.path}: {problem!r}; run again"

    def _put(self, text: str) -> None:
        if self._file is None or self.error is not None:
            return  # a log with a hole in it would add up to something else
        try:
            self._file.write(text.encode("ascii"))
        except OSError as problem:
            self.error = cannot_write(self.path, problem)

    def _flush(self) -> None:
        try:
            if self._file is not None and self.error is None:
                self._file.flush()
        except OSError as problem:
            self.error = cannot_write(self.path, problem)

    def _missing(self) -> list[str]:
        """Say what is in no interval, for each tag that lacks any."""
        texts = [
            f"{tag('request', *key)} lacks {group.errors} that failed or timed out and "
            f"{group.interrupted} interrupted"
            for key, group in sorted(self._fold.requests.items())
            if group.errors or group.interrupted
        ]
        texts += [
            f"request:{_quoted(scenario, ':')} lacks {drops.dropped} dropped arrivals"
            for scenario, drops in sorted(self._fold.drops.items())
        ]
        texts += [
            f"{tag('job', *key)} lacks {group.given_up} that were given up"
            for key, group in sorted(self._fold.jobs.items())
            if group.given_up
        ]
        early = self._fold.warm_up
        if early is not None:
            number = sum(group.ok for group in early.requests.values())
            number += sum(group.observed for group in early.jobs.values())
            texts.append(f"The warm-up of {self._fold.warmup:g} s is left out: {number} latencies")
        return texts


def tag(kind: str, scenario: str, name: str) -> str:
    """Make the tag of a name: ASCII, with ``%xx`` for what readers would stumble over.

    ``urllib.parse.unquote`` of its three parts, which colons separate, gives them back.
    """
    return f"{kind}:{_quoted(scenario, ':')}:{_quoted(name)}"


def _quoted(text: str, also: str = "") -> str:
    safe = "".join(character for character in _SAFE if character not in also)
    return urllib.parse.quote(text, safe=safe, errors="backslashreplace")


def _head(epoch: float) -> str:
    started = dt.datetime.fromtimestamp(epoch, dt.UTC).isoformat(timespec="milliseconds")
    return (
        "#[Latencies in microseconds, from when each was due, of what ended well; "
        "Interval_Max in milliseconds]\n"
        "#[Histogram log format version 1.3]\n"
        f"#[StartTime: {epoch:.3f} (seconds since epoch), {started}]\n"
        f"#[BaseTime: {epoch:.3f} (seconds since epoch)]\n" + _LEGEND
    )


def _line(start: float, key: Key, histogram: LatencyHistogram) -> str:
    longest = (histogram.max or 0.0) * 1e3
    return f"Tag={tag(*key)},{start:.3f},{INTERVAL:.3f},{longest:.3f},{histogram.encode()}\n"
