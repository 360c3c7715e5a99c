"""From the request queue into the simulated ModelRunner's own hands.

Like the real service, it moves requests into a table of its own (at most
fifty waiting) and deletes them from the queue once they are in it, so the
depth of the queue is not the backlog. A request is accepted before it is
deleted: one that is received twice is processed twice, and none is lost.

A request that cannot be accepted (no JSON, no jobId, no imageUrls, an image
that is not there) gets no status. It is given back to the queue, which moves
it to the dead letters. So are those that the settings' ``reject_rate`` picks.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from typing import Any, Final

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectSendStream
from botocore.exceptions import ClientError

from asyncload.local.ground_truth import GroundTruthLog, RejectedTruth
from asyncload.local.model_runner.behaviour import REJECTED, Script, write_script
from asyncload.local.model_runner.messages import ImageRequest, InvalidRequestError, parse_request
from asyncload.local.model_runner.publisher import BATCH, Batches
from asyncload.local.settings import LocalSettings
from asyncload.local.stack.protocol import Resources
from asyncload.local.stack.resources import Clients

LOOKAHEAD: Final = 50
"""Requests held while no worker is free."""
RECEIVERS: Final = 3
"""Concurrent long polls. The emulator looks at a queue only every 100 ms during one;
several at different moments find a new request sooner."""
_KNOWN_IMAGES: Final = 10_000
_REMEMBERED_REJECTS: Final = 10_000
_logger: Final = logging.getLogger(__name__)


class Job(msgspec.Struct, frozen=True):
    """An accepted request."""

    number: int
    """In order of arrival, from 0; a request that was rejected has taken one too."""
    request: ImageRequest
    received: float
    """When the receive call returned, epoch seconds."""
    script: Script


class Receiver:
    """Receives requests and hands them, as jobs, to ``jobs``."""

    def __init__(
        self,
        settings: LocalSettings,
        clients: Clients,
        resources: Resources,
        jobs: MemoryObjectSendStream[Job],
        ground_truth: GroundTruthLog,
    ) -> None:
        self._settings = settings
        self._clients = clients
        self._jobs = jobs
        self._ground_truth = ground_truth
        self._queue_url = resources.request_queue_url
        self._deletes = Batches("delete request", clients.deleting(self._queue_url))
        self._arrived = 0
        self._room = LOOKAHEAD
        self._more_room = anyio.Event()
        self._images: set[tuple[str, str]] = set()
        self._rejected: OrderedDict[str, None] = OrderedDict()
        """Messages that ``reject_rate`` has picked: they come again, and are the same ones."""

    async def run(self) -> None:
        """Receive until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._deletes.run)
            for _ in range(RECEIVERS):
                tasks.start_soon(self._receive)

    def taken(self) -> None:
        """Note that a worker took a job, so there is room for one more."""
        self._room += 1
        self._more_room.set()

    async def _receive(self) -> None:
        while True:
            # Full batches only: a receive for each free place would cost ten times the calls.
            while self._room < BATCH:
                self._more_room = anyio.Event()
                await self._more_room.wait()
            self._room -= BATCH
            messages = await self._clients.receive(self._queue_url, "requests")
            received = time.time()
            accepted = [await self._accept(message, received) for message in messages]
            self._room += BATCH - sum(accepted)
            self._more_room.set()

    async def _accept(self, message: dict[str, Any], received: float) -> bool:
        """Make a job of ``message``, or leave it to the queue's redrive."""
        request = None
        try:
            request = parse_request(message["Body"])
            await self._check_image(request)
        except InvalidRequestError as problem:
            await self._reject(message, received, str(problem), request)
            return False
        except Exception as problem:
            # It comes back to the queue by itself when its visibility timeout is over.
            _logger.warning("look for an image: %s", problem)
            return False
        job = self._job(message["MessageId"], request, received)
        if job is None:
            await self._reject(message, received, "picked by reject_rate", request)
            return False
        self._jobs.send_nowait(job)
        self._deletes.put({"ReceiptHandle": message["ReceiptHandle"]})
        return True

    def _job(self, message_id: str, request: ImageRequest, received: float) -> Job | None:
        """Draw what will become of a request; ``None`` when it is to be rejected."""
        if message_id in self._rejected:
            return None
        number = self._arrived
        self._arrived = number + 1
        script = write_script(self._settings, number, request)
        if script.outcome != REJECTED:
            return Job(number, request, received, script)
        self._rejected[message_id] = None
        if len(self._rejected) > _REMEMBERED_REJECTS:
            self._rejected.popitem(last=False)
        return None

    async def _check_image(self, request: ImageRequest) -> None:
        """Raise :class:`InvalidRequestError` unless the image exists."""
        image = (request.bucket, request.key)
        if image in self._images:
            return
        try:
            await self._clients.s3.head_object(Bucket=request.bucket, Key=request.key)
        except ClientError as problem:
            status = problem.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if 400 <= status < 500:
                raise InvalidRequestError(f"no image at {request.image_url}") from None
            raise
        if len(self._images) < _KNOWN_IMAGES:
            self._images.add(image)

    async def _reject(
        self, message: dict[str, Any], received: float, reason: str, request: ImageRequest | None
    ) -> None:
        self._ground_truth.write(
            RejectedTruth(
                message_id=message["MessageId"],
                received=received,
                reason=reason,
                job_id=request.job_id if request else None,
            )
        )
        try:
            # Visible again at once, so that it soon has been received often enough.
            await self._clients.sqs.change_message_visibility(
                QueueUrl=self._queue_url,
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=0,
            )
        except Exception as problem:
            _logger.warning("give a request back: %s", problem)
