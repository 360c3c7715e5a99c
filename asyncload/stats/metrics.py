"""The numbers that describe requests and jobs. Times in seconds, shares of 1, rates per second."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from asyncload.records.outcomes import JobOutcomes
from asyncload.records.record import Delivery
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.hosts import HostMetrics
from asyncload.stats.job_times import ServiceClockMetrics, TimeUncertainty
from asyncload.stats.load_stages import StageMetrics
from asyncload.stats.timeline.mser import WarmUp

PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9)
STAGES: Final = ("lateness", "preparation", "queued", "sending", "waiting", "receiving")
"""The parts of a request's latency, in order. They add up to it, but for what is too short to be
recorded (``docs/log.md``)."""
REQUEST_TIMES: Final = ("latency", "service_time", *STAGES)
"""Times that a request has; ``ok_latency`` is the latency of those that ended well."""
JOB_TIMES: Final = (
    "latency", "lateness", "submit", "queue_wait", "processing", "notification",
)  # fmt: skip


class Distribution(msgspec.Struct, frozen=True):
    """How a time is distributed; all ``None`` when there was nothing to measure.

    ``count``, ``mean``, ``min`` and ``max`` are of the values that were
    measured. The percentiles count those ``beyond`` too, and one that falls
    among them is ``None``.
    """

    count: int = 0
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p99_9: float | None = msgspec.field(default=None, name="p99.9")
    clamped: int = 0
    """How many of the values were below 0 (two clocks disagreeing) and counted as 0,
    or above 24 h and counted as that."""
    beyond: int = 0
    """How many more there are that did not end well, or were given up: they count as longer than
    anything measured."""

    @classmethod
    def of(cls, histogram: LatencyHistogram, beyond: int = 0) -> Distribution:
        """Read the numbers off a histogram, with ``beyond`` values longer than any in it."""
        percentiles = histogram.percentiles(PERCENTILES, beyond=beyond)
        p50, p90, p95, p99, p99_9 = (None if value == math.inf else value for value in percentiles)
        return cls(
            count=histogram.count,
            mean=histogram.mean,
            min=histogram.min,
            max=histogram.max,
            p50=p50,
            p90=p90,
            p95=p95,
            p99=p99,
            p99_9=p99_9,
            clamped=histogram.clamped,
            beyond=beyond,
        )


class StreamMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that came in as streams. What a chunk is, the request says (``docs/http.md``)."""

    chunks: int
    tokens: int
    """Of completions."""
    token_rate: float
    """``tokens`` per second of the load's span."""
    first_byte: Distribution
    """First byte of the answer − due."""
    first_token: Distribution
    """First chunk − due."""
    token_gap: Distribution
    """Chunk gap: from a chunk to the next, which may hold several tokens."""


class RequestMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one name, of one scenario, or all."""

    count: int
    """Requests sent: ok + failed + timeout. Dropped ones were never sent and are not in it."""
    ok: int
    failed: int
    timeout: int
    dropped: int
    """Arrivals given up because too many were in flight already. They have no name: they are
    counted in the row of their scenario's only name, or else in totals alone."""
    interrupted: int
    """Requests still open when somebody ended the run. They are in no other number."""
    rate: float
    """``count`` per second of the load's span."""
    error_rate: float | None
    """(failed + timeout) / count."""
    drop_rate: float | None
    """dropped / (count + dropped)."""
    bytes_out: int
    bytes_in: int
    statuses: dict[str, int]
    """Answers by HTTP status code."""
    latency: Distribution
    """end − due, of every arrival: what failed, timed out or was dropped counts as longer than
    any other."""
    ok_latency: Distribution
    """end − due, of the requests that ended well alone."""
    service_time: Distribution
    """end − start, without the generator's own delays, of every request sent; what failed or
    timed out counts as longer than any other."""
    lateness: Distribution
    """From when it was due to the start of its iteration, of every request, however it ended."""
    preparation: Distribution
    """From there until the user had it ready: the user's own work. Below 0.1 ms it is lateness."""
    queued: Distribution
    """From there until it went out: the wait for a free connection."""
    sending: Distribution
    """From there until all of it was handed over, the opening of a connection included, of
    requests that ended well. Below 1 ms it is waiting."""
    waiting: Distribution
    """From there to the first byte of the answer."""
    receiving: Distribution
    """From the first byte of the answer to its last."""
    failures: dict[str, int]
    """Failed and timed out requests by error text, most frequent first."""
    failure_times: dict[str, tuple[float, float]]
    """When the first and the last of each of them was over, seconds of the run."""
    stream: StreamMetrics | None = None
    """Of those whose answers were streams, if any."""
    resent: int = 0
    """Requests sent twice: the service was closing the kept connection of the first time."""

    @property
    def errors(self) -> int:
        """Requests that failed or timed out."""
        return self.failed + self.timeout


class RequestRow(RequestMetrics, frozen=True, kw_only=True):
    """Requests of one name in one scenario."""

    scenario: str
    name: str


class JobMetrics(JobOutcomes, frozen=True, kw_only=True):
    """Jobs of one name, of one scenario, or all."""

    rate: float
    """Jobs whose terminal status was observed, per second until the last of the scenario's
    (or of the run's, for all jobs)."""
    success_rate: float | None
    """succeeded / submitted."""
    error_rate: float | None
    """(failed + timed_out + lost) / submitted. PARTIAL is in neither rate."""
    size: int
    """Bytes of input of the jobs whose terminal status was observed."""
    pixels: int
    latency: Distribution
    """observed − due. Jobs given up are in its percentiles, as longer than all others;
    they are not in its mean, min and max, nor in the other times."""
    lateness: Distribution
    """start − due."""
    submit: Distribution
    """accepted − start."""
    queue_wait: Distribution
    """started − accepted."""
    processing: Distribution
    """finished − started."""
    notification: Distribution
    """observed − finished."""
    failures: dict[str, int]
    """Failed and given up jobs by status and error text, most frequent first."""
    failure_times: dict[str, tuple[float, float]]
    """When the first and the last of each of them was over, seconds of the run."""


class JobRow(JobMetrics, frozen=True, kw_only=True):
    """Jobs of one name in one scenario that are over: they have no backlog."""

    scenario: str
    name: str


class JobTotals(JobMetrics, frozen=True, kw_only=True):
    """All jobs, and what was counted beside them."""

    late: int
    """Terminal statuses that came after their job had been given up."""
    orphans: int
    """Status messages of jobs this run never sent."""
    unreadable: int
    """Messages that are no status at all."""
    regions: int
    """Status messages about a region of a job."""
    unconfirmed: int
    """Sends whose answer was lost and of which nothing was heard again; not in ``submitted``."""
    rejected: int
    """Given up, and their request was found among the dead letters.

    ``rejected + stuck + never_started = timed_out + lost``.
    """
    stuck: int
    """Given up after STARTED or IN_PROGRESS."""
    never_started: int
    """Given up without any status."""
    uncertainty: dict[str, TimeUncertainty] = msgspec.field(default_factory=dict)
    """How exactly each of the times above is known, by its name; empty for older logs."""
    service_clock: ServiceClockMetrics | None = None
    """What was found out about the service's clock; ``None`` for older logs."""


class WholeRun(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run with its warm-up."""

    requests: RequestMetrics
    jobs: JobTotals


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers."""

    t: float
    """Time of the last thing recorded, seconds from the start."""
    requests: RequestMetrics
    requests_by_name: list[RequestRow]
    dropped_by_scenario: dict[str, int]
    """Arrivals dropped, of the scenarios that have any."""
    jobs: JobTotals
    jobs_by_name: list[JobRow]
    notes: dict[str, int]
    """Number of notes by level."""
    peak_loop_lag: float | None
    """Longest time the event loop was late to wake, seconds."""
    hosts: list[HostMetrics] = []
    """The generator's host, and what was monitored beside it."""
    steps: list[StageMetrics] = []
    """The load stages of scenarios whose clients, each at a fixed rate, become more."""
    warmup: float = 0.0
    """Seconds from the start that are left out of the figures above."""
    with_warmup: WholeRun | None = None
    """The figures with them, where there is a warm-up."""
    warm_ups: dict[str, WarmUp] = {}
    """Where the warm-up of each scenario would end by MSER-5, as advice."""
    delivery: list[Delivery] = []
    """How the load of each open scenario went out, against its plan."""

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON types, as a ``SummaryRecord`` holds it."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result
