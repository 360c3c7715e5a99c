"""How a run went from second to second, as far as the verdict needs to know it."""

from __future__ import annotations

from asyncload.records.record import Delivery, Job, Level, Request, RunHeader, System
from asyncload.stats.hosts import is_generator
from asyncload.stats.timeline.batch_means import BatchMeans
from asyncload.stats.timeline.health_samples import GeneratorSamples
from asyncload.stats.timeline.levels import Levels


class Timeline:
    """Collects samples of the generator and of the levels, and how the latency went.

    Memory grows with the length of the run by about 100 bytes a second, not with its load.
    """

    def __init__(self) -> None:
        self.header: RunHeader | None = None
        self.generator = GeneratorSamples()
        self.levels: dict[str, Levels] = {}
        """By scenario."""
        self.deliveries: dict[str, Delivery] = {}
        """How the load of each scenario went out, once it is over."""
        self.requests: dict[str, BatchMeans] = {}
        """Latency of the requests of each scenario that ended well."""
        self.jobs: dict[str, BatchMeans] = {}
        """Latency of its jobs whose end was observed."""

    def request(self, request: Request) -> None:
        """Take in a request that ended well."""
        means = self.requests.get(request.scenario)
        if means is None:
            means = self.requests[request.scenario] = BatchMeans()
        means.add(request.end, request.end - request.due)

    def job(self, job: Job) -> None:
        """Take in a job that is over."""
        if job.observed is not None:
            means = self.jobs.setdefault(job.scenario, BatchMeans())
            means.add(job.observed, job.observed - job.due)

    def level(self, level: Level) -> None:
        """Take in the level of a scenario."""
        self.levels.setdefault(level.scenario, Levels()).add(level)

    def system(self, system: System) -> None:
        """Take in a sample of a host."""
        if is_generator(system):
            self.generator.add(system)

    def delivery(self, delivery: Delivery) -> None:
        """Take in how a load went out."""
        self.deliveries[delivery.scenario] = delivery
