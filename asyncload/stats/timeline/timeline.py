"""How a run went from second to second, as far as the verdict needs to know it."""

from __future__ import annotations

from array import array

from asyncload.records.record import Delivery, Job, Level, RunHeader, System
from asyncload.stats.hosts import is_generator
from asyncload.stats.timeline.batch_means import BatchMeans
from asyncload.stats.timeline.health_samples import GeneratorSamples
from asyncload.stats.timeline.levels import Levels
from asyncload.stats.timeline.mser import WarmUp, warm_up


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
        self._looked: dict[str, float] = {}
        """Until when the latencies of each scenario have been taken in."""
        self.jobs: dict[str, BatchMeans] = {}
        """Latency of its jobs whose end was observed."""

    def latencies(self, scenario: str, t: float, values: array[float]) -> None:
        """Take in the latencies of requests that ended well since the last time, until ``t``."""
        means = self.requests.get(scenario)
        if means is None:
            means = self.requests[scenario] = BatchMeans()
        means.add_all(values, self._looked.get(scenario, 0.0), t)
        self._looked[scenario] = t

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

    def warm_up(self, scenario: str) -> WarmUp | None:
        """Say where the warm-up of a scenario ends: of its jobs, where it has any."""
        means = self.jobs.get(scenario) or self.requests.get(scenario)
        return None if means is None else warm_up(*means.read())

    def warm_ups(self) -> dict[str, WarmUp]:
        """Say where the warm-up of each scenario ends, as far as that can be told."""
        found = {name: self.warm_up(name) for name in sorted({*self.requests, *self.jobs})}
        return {name: advice for name, advice in found.items() if advice is not None}
