"""Folds over the requests, and over the jobs, of one name.

Groups merge without loss; a total is the merge of its groups, so each record
is counted once only, in its own group.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

from asyncload.records.outcomes import (
    COUNTER_OF,
    COUNTERS,
    ERRORS,
    SUCCESSES,
    JobOutcomes,
    add_up,
)
from asyncload.records.record import INTERRUPTED, OK, TIMEOUT, Job, Ledger, Request
from asyncload.stats.failures import Failing
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.metrics import JOB_TIMES, REQUEST_TIMES, StreamMetrics
from asyncload.stats.streams import STREAM_FIELDS, StreamGroup
from asyncload.stats.times import Times

_ERROR_LENGTH: Final = 200

_OF_JOBS: Final = JobOutcomes.__struct_fields__
_ERRORS: Final = frozenset(ERRORS)
_REQUEST_COUNTS: Final = (
    "count", "ok", "failed", "timeout", "dropped", "interrupted", "resent", "bytes_out", "bytes_in",
)  # fmt: skip


class RequestGroup(Failing):
    """Requests folded; the attributes are those of ``RequestMetrics``.

    Times of requests that ended well are in histograms; what did not end well is counted as
    longer than all of them (:meth:`times`). The stages before a request went out are those
    of the generator, and so of all requests, however they ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = self.ok = self.failed = self.timeout = 0
        self.dropped = self.interrupted = self.resent = 0
        self.bytes_out = self.bytes_in = 0
        self.statuses: dict[int, int] = {}
        self.latency = LatencyHistogram()
        self.time_to_failure = LatencyHistogram()
        """end − due of those that failed or timed out: for Locust's figures alone."""
        self.service_time = LatencyHistogram()
        self.lateness = LatencyHistogram()
        self.preparation = LatencyHistogram()
        """Of those that took any; see :meth:`times`."""
        self.queued = LatencyHistogram()
        """Of those that waited; see :meth:`times`."""
        self.sending = LatencyHistogram()
        """Of those that took a millisecond; see :meth:`times`."""
        self.waiting = LatencyHistogram()
        self.receiving = LatencyHistogram()
        """Of those whose answer came in more than one piece; see :meth:`times`."""
        self.recent = array("d")
        """Latencies of those that ended well since somebody took them out."""
        self.stream: StreamGroup | None = None
        """Made for the first answer that is a stream."""

    def drop(self) -> None:
        """Fold one arrival that was dropped."""
        self.dropped += 1

    def add(self, request: Request) -> None:
        """Fold one request that was not dropped; one that could not be made only fails."""
        outcome = request.outcome
        end, due, start = request.end, request.due, request.start
        if outcome == OK:
            self.ok += 1
            if start is not None:
                latency = end - due
                self.latency.record(latency)
                self.recent.append(latency)
                self.service_time.record(end - start)
                first_byte = request.first_byte
                if first_byte is not None:
                    sent = request.sent
                    if sent is None:
                        sent = start
                    else:
                        self.sending.record(sent - start)
                    self.waiting.record(first_byte - sent)
                    if end != first_byte:
                        self.receiving.record(end - first_byte)
        elif outcome == INTERRUPTED:
            self.interrupted += 1
            return
        else:
            self._add_failed(request)
        self.count += 1
        if request.resent:
            self.resent += 1
        if request.begun is None and request.ready is None:
            if start is not None:
                self.lateness.record(start - due)
        else:
            self._add_delays(request)
        status = request.status
        if status is not None:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if request.bytes_out:
            self.bytes_out += request.bytes_out
        if request.bytes_in:
            self.bytes_in += request.bytes_in
        if request.stream is not None:
            if self.stream is None:
                self.stream = StreamGroup()
            self.stream.add(request, request.stream)

    def _add_failed(self, request: Request) -> None:
        """Fold what did not end well."""
        if request.outcome == TIMEOUT:
            self.timeout += 1
        else:
            self.failed += 1
        self._fail(request_failure(request), request.end)
        if request.start is not None or request.ready is not None:
            self.time_to_failure.record(request.end - request.due)

    def _add_delays(self, request: Request) -> None:
        """Fold the stages before a request went out, where there is more than lateness."""
        ready, begun = request.ready, request.begun
        if ready is not None:
            out = request.end if request.start is None else request.start
            self.queued.record(out - ready)
        else:
            ready = request.start
        if begun is not None:
            if ready is not None:
                self.preparation.record(ready - begun)
            self.lateness.record(begun - request.due)
        elif ready is not None:
            self.lateness.record(ready - request.due)

    def merge(self, other: RequestGroup) -> None:
        """Fold all that ``other`` has folded."""
        for name in _REQUEST_COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in (*REQUEST_TIMES, "time_to_failure"):
            getattr(self, name).merge(getattr(other, name))
        for status, number in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + number
        self.merge_failures(other)
        if other.stream is not None:
            if self.stream is None:
                self.stream = StreamGroup()
            self.stream.merge(other.stream)

    def token_rate(self, rate: float) -> float | None:
        """Compute tokens per second, where requests come at ``rate`` per second."""
        if self.stream is None:
            return None
        return self.stream.tokens * rate / self.count if self.count else 0.0

    @property
    def arrivals(self) -> int:
        """Requests that were due, but for those interrupted."""
        return self.count + self.dropped

    @property
    def errors(self) -> int:
        """Requests that failed or timed out."""
        return self.failed + self.timeout

    @property
    def error_rate(self) -> float | None:
        """(failed + timeout) / count."""
        return self.errors / self.count if self.count else None

    @property
    def drop_rate(self) -> float | None:
        """Compute dropped / (count + dropped)."""
        return self.dropped / self.arrivals if self.arrivals else None

    def times(self, field: str) -> Times | None:
        """Find a time of these requests; ``None`` where they have none of that name."""
        if field in STREAM_FIELDS:
            return None if self.stream is None else self.stream.times(field)
        if field == "latency":
            return Times(self.latency, beyond=self.errors + self.dropped)
        if field == "ok_latency":
            return Times(self.latency)
        histogram: LatencyHistogram = getattr(self, field)
        if field == "service_time":
            return Times(histogram, beyond=self.errors)
        if field in {"preparation", "queued"}:
            return Times(histogram, nothing=self.lateness.count - histogram.count)
        if field in {"sending", "receiving"}:
            return Times(histogram, nothing=self.waiting.count - histogram.count)
        return Times(histogram)

    def fields(self, rate: float) -> dict[str, Any]:
        """Give the fields of ``RequestMetrics``."""
        stream = None
        if self.stream is not None:
            stream = StreamMetrics(**self.stream.fields(self.token_rate(rate) or 0.0))
        times = {name: self.times(name) for name in ("ok_latency", *REQUEST_TIMES)}
        return {
            **{name: getattr(self, name) for name in _REQUEST_COUNTS},
            "rate": rate,
            "error_rate": self.error_rate,
            "drop_rate": self.drop_rate,
            "statuses": {str(status): self.statuses[status] for status in sorted(self.statuses)},
            **{name: found.distribution() for name, found in times.items() if found is not None},
            **self._failure_fields(),
            "stream": stream,
        }


class JobGroup(Failing):
    """Jobs folded; the attributes are those of ``JobTotals``."""

    # The counters that are named here; an outcome's is found by its status.
    submitted: int
    duplicates: int

    def __init__(self) -> None:
        super().__init__()
        for counter in COUNTERS:
            setattr(self, counter, 0)
        self.observed = self.given_up = 0
        self.last_observed = 0.0
        self.size = self.pixels = 0
        self.latency = LatencyHistogram()
        self.lateness = LatencyHistogram()
        self.submit = LatencyHistogram()
        self.queue_wait = LatencyHistogram()
        self.processing = LatencyHistogram()
        self.notification = LatencyHistogram()

    def add(self, job: Job) -> None:
        """Fold one job that is over."""
        self.submitted += 1
        self.duplicates += job.duplicates
        counter = COUNTER_OF.get(job.status, "failed")
        setattr(self, counter, getattr(self, counter) + 1)
        if counter in _ERRORS:
            self._fail(job_failure(job), job.t)
        observed = job.observed
        if observed is None:
            self.given_up += 1
            return
        self.observed += 1
        self.last_observed = max(self.last_observed, observed)
        self.size += job.size or 0
        self.pixels += job.pixels or 0
        self.latency.record(observed - job.due)
        self.lateness.record(job.start - job.due)
        accepted, started, finished = job.accepted, job.started, job.finished
        if accepted is not None:
            self.submit.record(accepted - job.start)
            if started is not None:
                self.queue_wait.record(started - accepted)
        if finished is not None:
            if started is not None:
                self.processing.record(finished - started)
            self.notification.record(observed - finished)

    def merge(self, other: JobGroup) -> None:
        """Fold all that ``other`` has folded."""
        for name in (*COUNTERS, "observed", "given_up", "size", "pixels"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last_observed = max(self.last_observed, other.last_observed)
        self.latency.merge(other.latency)
        self.lateness.merge(other.lateness)
        self.submit.merge(other.submit)
        self.queue_wait.merge(other.queue_wait)
        self.processing.merge(other.processing)
        self.notification.merge(other.notification)
        self.merge_failures(other)

    def take(self, ledger: Ledger, *, whole: bool = True) -> None:
        """Put the ledger's totals in the place of those counted from job records.

        The ledger knows the jobs that are still open and the messages that
        belong to no job. Unless these are ``whole``, all jobs of the run, only the latter
        are taken.
        """
        for name in COUNTERS:
            if whole or name not in _OF_JOBS:
                setattr(self, name, getattr(ledger, name))

    @property
    def success_rate(self) -> float | None:
        """Compute succeeded / submitted."""
        return add_up(self, SUCCESSES) / self.submitted if self.submitted else None

    @property
    def errors(self) -> int:
        """Jobs that failed or were given up."""
        return add_up(self, ERRORS)

    @property
    def error_rate(self) -> float | None:
        """(failed + timed_out + lost) / submitted."""
        return self.errors / self.submitted if self.submitted else None

    def times(self, field: str) -> Times:
        """Find a time of these jobs."""
        return Times(getattr(self, field), beyond=self.given_up if field == "latency" else 0)

    def fields(self, rate: float) -> dict[str, Any]:
        """Give the fields of ``JobMetrics``."""
        return {
            **{counter: getattr(self, counter) for counter in _OF_JOBS},
            "rate": rate,
            "success_rate": self.success_rate,
            "error_rate": self.error_rate,
            "size": self.size,
            "pixels": self.pixels,
            **{name: self.times(name).distribution() for name in JOB_TIMES},
            **self._failure_fields(),
        }

    def beside(self) -> dict[str, Any]:
        """Give the fields that ``JobTotals`` has more: what was counted beside the jobs."""
        return {counter: getattr(self, counter) for counter in COUNTERS if counter not in _OF_JOBS}


def request_failure(request: Request) -> str:
    """Text under which a failed request is counted."""
    if request.error:
        return request.error[:_ERROR_LENGTH]
    return f"HTTP {request.status}" if request.status is not None else request.outcome


def job_failure(job: Job) -> str:
    """Text under which a failed or given up job is counted: without its id, so that texts group.

    ModelRunner's texts begin with a constant and ``<job_id>: ``; what follows is the reason.
    """
    text = job.error or ""
    if job.job_id and job.job_id in text:
        reason = text.partition(f"{job.job_id}: ")[2].strip()
        text = (reason or text).replace(job.job_id, "…").rstrip(": ")
    return f"{job.status}: {text}"[:_ERROR_LENGTH] if text else job.status
