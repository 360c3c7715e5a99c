"""The endpoints of the embedded stack at work on asynchronous inferences.

Requests come from the service's own queue. Each endpoint has workers of its own: one takes
an inference up, reads its input from S3, works for its service time, writes the output to
S3 and has its end published to one of two SNS topics, to which the queue of notifications
is subscribed. What was really done goes to the ground-truth log.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any, Final

import anyio
import msgspec
from botocore.exceptions import ClientError

from asyncload.local.ground_truth import ExtraTruth, GroundTruthLog, InferenceTruth
from asyncload.local.model_runner.behaviour import draw_service_time
from asyncload.local.model_runner.messages import FAILED, SUCCESS, unreadable_body
from asyncload.local.model_runner.publisher import Batches, Outgoing
from asyncload.local.sagemaker.async_api import (
    Invocation,
    failure_key,
    foreign_invocation,
    notification,
    output_key,
)
from asyncload.local.sagemaker.control import IN_SERVICE
from asyncload.local.settings import AsyncInferenceSettings, LocalSettings
from asyncload.local.stack.protocol import Resources
from asyncload.local.stack.resources import Clients

LOST: Final = "LOST"
"""The outcome of an inference of which nobody is notified."""
RECEIVERS: Final = 3
"""Concurrent long polls, as of the simulated ModelRunner."""
MODEL_FAILED: Final = 'ModelError: Received server error (500) with message "the model failed"'
_decoder: Final = msgspec.json.Decoder(Invocation)
_logger: Final = logging.getLogger(__name__)


class Script(msgspec.Struct, frozen=True):
    """What becomes of one inference, drawn before it is worked on."""

    service_time: float
    fails: bool
    lost: bool
    copies: int
    unreadable: str | None
    """A message beside its notification."""
    foreign: Invocation | None
    """Somebody else's, whose notification comes beside its own."""


class _Task(msgspec.Struct, frozen=True):
    number: int
    invocation: Invocation
    script: Script


def write_inference_script(
    settings: AsyncInferenceSettings, seed: int, number: int, now: float
) -> Script:
    """Draw everything about the ``number``-th inference to arrive (counted from 0)."""
    rng = random.Random(f"{seed}/inference/{number}")
    # All of it is drawn, whether or not it is used: one rate must not shift what another draws.
    service_time = draw_service_time(settings.service_time, rng)
    fails, twice = rng.random() < settings.failure_rate, rng.random() < settings.duplicate_rate
    lost, unreadable = rng.random() < settings.lost_rate, rng.random() < settings.unreadable_rate
    body, foreign = unreadable_body(rng), foreign_invocation(rng, now)
    return Script(
        service_time=service_time,
        fails=fails,
        lost=lost,
        copies=0 if lost else 1 + twice,
        unreadable=body if unreadable else None,
        foreign=foreign if rng.random() < settings.foreign_rate else None,
    )


class AsyncEndpoints:
    """All endpoints that are in service."""

    def __init__(
        self,
        settings: LocalSettings,
        clients: Clients,
        resources: Resources,
        ground_truth: GroundTruthLog,
    ) -> None:
        self._settings = settings.async_inference
        self._seed = settings.seed
        self._clients = clients
        self._resources = resources
        self._ground_truth = ground_truth
        self._region = resources.inference_success_topic_arn.split(":")[3]
        self._arrived = 0
        success, error = resources.inference_success_topic_arn, resources.inference_error_topic_arn
        self._completed = Batches("publish completed inference", clients.publishing(success))
        self._failed = Batches("publish failed inference", clients.publishing(error))
        send = clients.sending(resources.inference_queue_url)
        self._queue = Batches("send unreadable notification", send)
        delete = clients.deleting(resources.inference_backlog_url)
        self._deletes = Batches("delete accepted inference", delete)
        self._waiting: dict[str, asyncio.Queue[_Task]] = {
            endpoint.name: asyncio.Queue() for endpoint in IN_SERVICE
        }

    async def run(self, stop: anyio.Event) -> None:
        """Work until ``stop``; what is being published then is finished and written down."""
        async with anyio.create_task_group() as outlets:
            for outlet in (self._completed, self._failed, self._queue, self._deletes):
                outlets.start_soon(outlet.run)
            async with anyio.create_task_group() as work:
                for name in self._waiting:
                    for _ in range(self._settings.workers):
                        work.start_soon(self._work, self._waiting[name])
                for _ in range(RECEIVERS):
                    work.start_soon(self._receive)
                await stop.wait()
                work.cancel_scope.cancel()
            outlets.cancel_scope.cancel()

    async def _receive(self) -> None:
        backlog_url = self._resources.inference_backlog_url
        while True:
            for message in await self._clients.receive(backlog_url, "inferences"):
                self._accept(message)

    def _accept(self, message: dict[str, Any]) -> None:
        self._deletes.put({"ReceiptHandle": message["ReceiptHandle"]})
        try:
            invocation = _decoder.decode(message["Body"])
            waiting = self._waiting[invocation.endpoint]
        except (msgspec.MsgspecError, UnicodeError, KeyError) as problem:
            # The queue is the service's own, but anybody can send to it.
            _logger.warning("no request of an endpoint: %s", problem)
            return
        number = self._arrived
        self._arrived = number + 1
        script = write_inference_script(self._settings, self._seed, number, time.time())
        waiting.put_nowait(_Task(number, invocation, script))

    async def _work(self, waiting: asyncio.Queue[_Task]) -> None:
        while True:
            task = await waiting.get()
            begun = time.time()
            reason = await self._carry_out(task, begun)
            with anyio.CancelScope(shield=True):
                await self._finish(task, begun, reason)

    async def _carry_out(self, task: _Task, begun: float) -> str | None:
        """Work on one inference; why it failed, if it did."""
        invocation, script = task.invocation, task.script
        if begun - invocation.received > invocation.time_to_live:
            return f"ClientError: Request expired: older than {invocation.time_to_live} seconds"
        try:
            content = await self._read(invocation.input_location)
        except _NoInputError as problem:
            return str(problem)
        seconds = min(script.service_time, invocation.timeout)
        # Clamped: the wall clock may be set while we wait.
        await anyio.sleep(min(max(begun + seconds - time.time(), 0.0), seconds))
        if script.service_time > invocation.timeout:
            return f"ModelError: Invocation timed out after {invocation.timeout} seconds"
        if script.fails:
            return MODEL_FAILED
        body = {"endpoint": invocation.endpoint, "input_bytes": len(content)}
        await self._write(output_key(invocation.inference_id), msgspec.json.encode(body))
        return None

    async def _finish(self, task: _Task, begun: float, reason: str | None) -> None:
        """Tell of the end of one inference, and write down what was done."""
        invocation, script = task.invocation, task.script
        if reason is not None:
            await self._write(failure_key(invocation.inference_id), reason.encode())
        extras = self._extras(task)
        finished = published = time.time()
        outgoing = [self._publish(invocation, finished, reason) for _ in range(script.copies)]
        for one in (*outgoing, *(extra for extra, _ in extras)):
            await one.done.wait()
        if outgoing:
            published = outgoing[0].published
        for extra, ground_truth in extras:
            ground_truth.sent, ground_truth.published = extra.sent, extra.published
            self._ground_truth.write(ground_truth)
        status = FAILED if reason is not None else SUCCESS
        self._ground_truth.write(
            InferenceTruth(
                number=task.number,
                job_id=invocation.inference_id,
                endpoint=invocation.endpoint,
                input_location=invocation.input_location,
                received=invocation.received,
                begun=begun,
                service_time=script.service_time,
                status=LOST if script.lost else status,
                finished=finished,
                published=published,
                notifications=script.copies,
                reason=reason,
            )
        )

    def _extras(self, task: _Task) -> list[tuple[Outgoing, ExtraTruth]]:
        """Send the messages beside the notification: before it, so that they are met in time."""
        script, found = task.script, []
        ground_truth = ExtraTruth(kind="unreadable", number=task.number, sent=0.0, published=0.0)
        if script.unreadable is not None:
            ground_truth.body = script.unreadable
            found.append((self._queue.put({"MessageBody": script.unreadable}), ground_truth))
        if script.foreign is not None:
            extra = ExtraTruth(
                kind="foreign",
                number=task.number,
                sent=0.0,
                published=0.0,
                job_id=script.foreign.inference_id,
            )
            found.append((self._publish(script.foreign, time.time(), None), extra))
        return found

    def _publish(self, invocation: Invocation, finished: float, reason: str | None) -> Outgoing:
        body = notification(invocation, region=self._region, finished=finished, reason=reason)
        outlet = self._completed if reason is None else self._failed
        return outlet.put({"Message": msgspec.json.encode(body).decode()})

    # -- AWS -------------------------------------------------------------------

    async def _read(self, location: str) -> bytes:
        """Read an object. Raises :class:`_NoInputError`."""
        bucket, _, key = location.partition("://")[2].partition("/")
        try:
            answer = await self._clients.s3.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                content: bytes = await body.read()
        except Exception as problem:
            message = str(problem)
            if isinstance(problem, ClientError):
                error = problem.response["Error"]
                message = f"{error.get('Code')}: {error.get('Message')}"
            raise _NoInputError(f"ClientError: Failed to download {location}: {message}") from None
        return content

    async def _write(self, key: str, content: bytes) -> None:
        try:
            await self._clients.s3.put_object(
                Bucket=self._resources.inference_bucket, Key=key, Body=content
            )
        except Exception as problem:
            _logger.warning("write %s: %s", key, problem)


class _NoInputError(Exception):
    """The input cannot be read; the message is the reason of the failure."""
