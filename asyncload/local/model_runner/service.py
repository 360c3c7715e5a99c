"""Child two: the simulated OversightML ModelRunner, and SageMaker's asynchronous inference.

Requests come from the request queue (:mod:`asyncload.local.model_runner.receiver`); a fixed
number of workers carry out each job's script (:mod:`asyncload.local.model_runner.behaviour`)
and publish its statuses to an SNS topic, whose subscriber is the status
queue. What was really done goes to the ground-truth log.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from asyncload.local.ground_truth import (
    ExtraTruth,
    GroundTruthLog,
    JobTruth,
    ReplayTruth,
    StuckTruth,
)
from asyncload.local.imagery import make_images
from asyncload.local.model_runner.behaviour import STUCK, Emit, Extra, Work
from asyncload.local.model_runner.messages import STARTED, StatusMessage, job_status
from asyncload.local.model_runner.publisher import Batches, Outgoing
from asyncload.local.model_runner.receiver import Job, Receiver
from asyncload.local.sagemaker.async_worker import AsyncEndpoints
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.protocol import ACCOUNT_ID, ModelRunnerOrder, Resources, encode
from asyncload.local.stack.resources import Clients, create_resources, open_clients

HOLD_LIMIT: Final = 1.0
"""Seconds a status is held back at most."""
_REMEMBERED_JOBS: Final = 10_000


async def serve(order: ModelRunnerOrder) -> None:
    """Create the resources and serve until SIGTERM."""
    stop = anyio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    images = make_images(None, order.settings.seed, order.settings.images)
    with GroundTruthLog(Path(order.truth_log)) as ground_truth:
        async with open_clients(order.endpoint_url, order.region) as clients:
            resources = await create_resources(clients, images, ACCOUNT_ID)
            service = ModelRunner(order.settings, clients, resources, ground_truth)
            endpoints = AsyncEndpoints(order.settings, clients, resources, ground_truth)
            _report_ready(resources)
            async with anyio.create_task_group() as services:
                services.start_soon(service.run, stop)
                services.start_soon(endpoints.run, stop)


def _report_ready(resources: Resources) -> None:
    """Answer the parent, once; whatever is printed later goes to the log."""
    sys.stdout.buffer.write(encode(resources))
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


class ModelRunner:
    """The service: a receiver, workers, and two outlets for messages."""

    def __init__(
        self,
        settings: LocalSettings,
        clients: Clients,
        resources: Resources,
        ground_truth: GroundTruthLog,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._resources = resources
        self._ground_truth = ground_truth
        publish = clients.publishing(resources.status_topic_arn)
        self._topic = Batches("publish status", publish)
        send = clients.sending(resources.status_queue_url)
        self._queue = Batches("send unreadable message", send)
        self._ended: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        """Jobs that have ended, the latest last, and their statuses."""

    async def run(self, stop: anyio.Event) -> None:
        """Work until ``stop``; what is being published then is finished and written down."""
        arrived, waiting = anyio.create_memory_object_stream[Job](math.inf)
        receiver = Receiver(
            self._settings, self._clients, self._resources, arrived, self._ground_truth
        )
        async with anyio.create_task_group() as outlets:
            outlets.start_soon(self._topic.run)
            outlets.start_soon(self._queue.run)
            async with arrived, waiting, anyio.create_task_group() as work:
                work.start_soon(receiver.run)
                for _ in range(self._settings.workers):
                    work.start_soon(self._work, waiting, receiver)
                await stop.wait()
                work.cancel_scope.cancel()
            outlets.cancel_scope.cancel()

    async def _work(self, waiting: MemoryObjectReceiveStream[Job], receiver: Receiver) -> None:
        async for job in waiting:
            receiver.taken()
            await self._process(job)

    async def _process(self, job: Job) -> None:
        """Carry out a job's script, or play the statuses of one that has ended again."""
        statuses = self._ended.get(job.request.job_id)
        if statuses is None:
            await self._carry_out(job)
            if not job.script.replayed:
                return
            statuses = job.script.sequence
        await self._replay(job, statuses)

    async def _carry_out(self, job: Job) -> None:
        job_run = _JobRun(job, self._topic)
        extras: list[tuple[Extra, Outgoing]] = []
        for action in job.script.actions:
            match action:
                case Emit():
                    job_run.emit(action)
                case Extra(message=str(body)):
                    extras.append((action, self._queue.put({"MessageBody": body})))
                case Extra(message=StatusMessage() as message):
                    extras.append((action, self._topic.put(_notification(message))))
                case Work():
                    await job_run.work(action.seconds)
        job_run.release()
        with anyio.CancelScope(shield=True):
            for _, outgoing in extras:
                await outgoing.done.wait()
            await job_run.done()
            for extra, outgoing in extras:
                self._ground_truth.write(_extra_truth(job, extra, outgoing))
            self._ground_truth.write(job_run.ground_truth())
        if job.script.outcome != STUCK:
            self._ended[job.request.job_id] = job.script.sequence
            if len(self._ended) > _REMEMBERED_JOBS:
                self._ended.popitem(last=False)

    async def _replay(self, job: Job, statuses: Sequence[str]) -> None:
        """Publish all statuses of a job that has ended again; no work is done for that."""
        job_run = _JobRun(job, self._topic)
        for status in statuses:
            job_run.emit(Emit(status))
        with anyio.CancelScope(shield=True):
            await job_run.done()
            self._ground_truth.write(job_run.replay())


class _JobRun:
    """One job on its way through a worker: what it has published and what is held back."""

    def __init__(self, job: Job, topic: Batches) -> None:
        self._job = job
        self._topic = topic
        self._begun = time.time()
        self._held: list[Emit] = []
        self.published: list[tuple[str, Outgoing]] = []

    def emit(self, action: Emit) -> None:
        """Publish a status, and after it those held back, the last one first; or hold it back."""
        self._held.append(action)
        if not action.held:
            self.release()

    def release(self) -> None:
        while self._held:
            action = self._held.pop()
            seconds = time.time() - self._begun
            request = self._job.request
            message = job_status(request.job_id, request.image_url, action.status, seconds)
            for _ in range(action.copies):
                outgoing = self._topic.put(_notification(message))
                self.published.append((action.status, outgoing))

    async def work(self, seconds: float) -> None:
        """Wait until ``seconds`` after STARTED was published, or was to be when it is held."""
        if self.published:
            first = self.published[0][1]
            await first.done.wait()
            self._begun = first.sent
        if self._held and self._remaining(seconds) > HOLD_LIMIT:
            await anyio.sleep(HOLD_LIMIT)
            self.release()
        await anyio.sleep(self._remaining(seconds))

    def _remaining(self, seconds: float) -> float:
        # Clamped: the wall clock may be set while we wait.
        return min(max(self._begun + seconds - time.time(), 0.0), seconds)

    async def done(self) -> None:
        for _, outgoing in self.published:
            await outgoing.done.wait()

    def ground_truth(self) -> JobTruth | StuckTruth:
        job = self._job
        first = dict(reversed(self.published))
        played: dict[str, Any] = {
            "number": job.number,
            "job_id": job.request.job_id,
            "image_url": job.request.image_url,
            "received": job.received,
            "started": first[STARTED].sent,
            "statuses": [status for status, _ in self.published],
        }
        if job.script.outcome == STUCK:
            return StuckTruth(**played)
        terminal = first[job.script.outcome]
        return JobTruth(
            **played,
            status=job.script.outcome,
            service_time=job.script.service_time,
            finished=terminal.sent,
            published=terminal.published,
        )

    def replay(self) -> ReplayTruth:
        """Say the same of statuses that were played again."""
        return ReplayTruth(
            number=self._job.number,
            job_id=self._job.request.job_id,
            sent=self.published[0][1].sent,
            published=self.published[-1][1].published,
            statuses=[status for status, _ in self.published],
        )


def _notification(message: StatusMessage) -> dict[str, Any]:
    """Entry of ``PublishBatch``."""
    return {
        "Message": message.text,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value}
            for name, value in message.attributes.items()
        },
    }


def _extra_truth(job: Job, extra: Extra, outgoing: Outgoing) -> ExtraTruth:
    ground_truth = ExtraTruth(
        kind=extra.kind, number=job.number, sent=outgoing.sent, published=outgoing.published
    )
    if isinstance(extra.message, StatusMessage):
        ground_truth.job_id = extra.message.attributes["job_id"]
    else:
        ground_truth.body = extra.message
    return ground_truth
