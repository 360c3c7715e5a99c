"""What users of OversightML ModelRunner share: image jobs over SQS, statuses back on one queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.sqs import SqsQueue
from asyncload.transport.queue import MessageQueue
from asyncload.users.call_estimate import ExpectedCalls, ExpectedLoad, calls_of_jobs
from asyncload.users.jobs import JobSender, read_statuses
from asyncload.users.model_runner.deployment import Deployment
from asyncload.users.model_runner.images import check_bucket
from asyncload.users.model_runner.job_options import JobOptions, RequestForm
from asyncload.users.model_runner.job_spec import JobSpec
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.user import Setup

KINESIS_BATCH: Final = 1000
"""Features that ModelRunner puts into one record of a stream."""


class SharedState(msgspec.Struct):
    """What was discovered before the clock started, shared by all users of a scenario."""

    requests: MessageQueue


class RoundRobin(SharedState):
    """Jobs that all users of a scenario submit in turn."""

    specs: Iterator[JobSpec]


class JobUser(JobSender):
    """Sends image jobs, and waits for their end where its kind does."""

    shared: SharedState

    @classmethod
    def expected_calls(cls, options: JobOptions, load: ExpectedLoad) -> ExpectedCalls:
        """One job for each iteration, or several where those that end in PARTIAL are repeated."""
        return calls_of_jobs(
            load,
            attempts=getattr(options, "attempts", 1),
            batched=options.batch_linger > 0,
            job_timeout=options.job_timeout,
        )

    @classmethod
    async def describe_settings(
        cls, options: Any, source: SettingsSource, key: Callable[[str], str]
    ) -> Sequence[Setting]:
        """Tell of queues, places and account."""
        return await Deployment(options, source, key=key).everything()

    async def deliver(self, spec: JobSpec, job_id: str) -> str | None:
        """Send the request to the queue; return the id of its message."""
        return await self.shared.requests.send(spec.request(job_id))

    async def see_through(self, spec: JobSpec, attempts: int) -> None:
        """Send a job and wait for its end; one that ends in PARTIAL is sent again.

        ``attempts`` counts the first one, too. Each is a job of its own. A
        send that fails ends it all: nobody waits for a job that may not be.
        """
        job = await self.send(spec)
        first = job.id
        for attempt in range(2, attempts + 1):
            if await self.jobs.wait(job) != "PARTIAL":
                return
            job = await self.send(spec.again(attempt, first))
        await self.jobs.wait(job)


async def find_outputs(
    setup: Setup, form: RequestForm, deployment: Deployment
) -> list[dict[str, Any]]:
    """``outputs`` of a request: the bucket, which is checked, and the stream if one is wanted."""
    results = await deployment.results()
    bucket, prefix = await check_bucket(setup.aws, results.value, key=results.key)
    outputs: list[dict[str, Any]] = [{"type": "S3", "bucket": bucket, "prefix": prefix}]
    stream = form.kinesis
    if stream is True:
        stream = f"mr-stream-sink-{(await deployment.account()).value}"
    if stream:
        outputs.append({"type": "Kinesis", "stream": stream, "batchSize": KINESIS_BATCH})
    return outputs


async def open_queues(setup: Setup, options: JobOptions, deployment: Deployment) -> MessageQueue:
    """Look up both queues, have the statuses read, and give the queue for requests."""
    for_requests, for_statuses = await deployment.request_queue(), await deployment.status_queue()
    setup.progress("looking up queues")
    requests = await SqsQueue.find(setup.aws, for_requests.value, for_requests.key)
    statuses = await SqsQueue.find(setup.aws, for_statuses.value, for_statuses.key)
    await read_statuses(setup, statuses, client=options.client, foreign=options.foreign)
    setup.dead_letters(requests)
    if options.client == "sdk":
        return requests
    linger = options.batch_linger or None
    return await FastSqsQueue.of(setup.aws, setup.http, requests.url, batch_linger=linger)
