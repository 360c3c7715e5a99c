"""A simulated model server with a capacity that is known: child process and parent's side.

It is an edge endpoint, and a server of models as ``inference.py`` has them.

``workers`` requests are worked on at once, each for ``service_time``; others wait
in the order they came. So it takes workers / service_time requests a second, and no more.
With ``exponential`` service times and Poisson arrivals it is the queue M/M/c, first come,
first served, whose sojourn times are known. A ``truth_log`` has each request's own.

``GET /constant`` is not worked on: its answer is always the same, made beforehand, and
given at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs

import anyio
import httptools
import msgspec

from asyncload.errors import TargetError
from asyncload.local.ground_truth import GroundTruthLog, RequestTruth
from asyncload.local.model_server import inference
from asyncload.local.stack.process import Child, Processes
from asyncload.local.stack.protocol import MODEL_SERVER, Listening, ModelServerOrder, decode, encode

HOST: Final = "127.0.0.1"
PATH: Final = b"/device-api/v1/image-queries"
CONSTANT: Final = b"/constant"
"""Answered at once."""
COUNT: Final = 1
"""What every result counts."""
START_LIMIT: Final = 30.0
"""Seconds in which the child must be ready; it takes half of one."""


class ModelServer(Processes):
    """An async context manager: the server is up inside it, in a process of its own.

    It ends with this process, however that ends. Entering raises
    :class:`TargetError` when it cannot start.
    """

    def __init__(
        self,
        *,
        workers: int,
        service_time: float,
        exponential: bool = False,
        seed: int = 0,
        truth_log: Path | None = None,
    ) -> None:
        super().__init__("asyncload-edge-")
        self.url = ""
        """``http://127.0.0.1:PORT``, once entered."""
        self.pid = 0
        """Process id of the child, once entered."""
        self._workers = workers
        self._service_time = service_time
        self._exponential = exponential
        self._seed = seed
        self._truth_log = truth_log

    async def _start(self, scratch: Path) -> None:
        order = ModelServerOrder(
            workers=self._workers,
            service_time=self._service_time,
            exponential=self._exponential,
            seed=self._seed,
            truth_log=None if self._truth_log is None else str(self._truth_log),
            remove_at_exit=str(scratch),
        )
        log = scratch / "model_server.log"
        child = await Child.start(MODEL_SERVER, order, environment={}, log=log)
        self._children.append(child)
        self.pid = child.pid
        line = b""
        with anyio.move_on_after(START_LIMIT):
            line = await child.answer()
        if not line.endswith(b"\n"):
            tail = child.stderr_tail() or "it left no message"
            raise TargetError(f"the simulated model server did not start: {tail}")
        self.url = f"http://{HOST}:{decode(line, Listening).port}"


async def serve(order: ModelServerOrder) -> None:
    """Be the server, until this process ends."""
    workers = Workers(order.workers, order.service_time)
    with contextlib.ExitStack() as stack:
        log = None
        if order.truth_log is not None:
            log = stack.enter_context(GroundTruthLog(Path(order.truth_log)))
        queue = Queue(workers, service_times(order), log)
        server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(queue), HOST, 0, backlog=1024
        )
        sys.stdout.buffer.write(encode(Listening(server.sockets[0].getsockname()[1])))
        sys.stdout.buffer.flush()
        await server.serve_forever()


def service_times(order: ModelServerOrder) -> Callable[[], float]:
    """Give what draws the service time of the next request, seconds."""
    if not order.exponential:
        return lambda: order.service_time
    draw = random.Random(order.seed).expovariate
    return lambda: draw(1 / order.service_time)


class Workers:
    """When each worker is free again. Times are on any one clock, seconds."""

    def __init__(self, number: int, service_time: float) -> None:
        self._free = [0.0] * number
        self._service_time = service_time

    def take(self, now: float, service_time: float | None = None) -> float:
        """Give the next request, which came at ``now``, to a worker; return when it will be done.

        It takes as long as all do, or ``service_time`` seconds. Worked out rather than
        slept through: a timer that fires late makes an answer late, but takes nothing
        from the capacity.
        """
        length = self._service_time if service_time is None else service_time
        done = max(now, self._free[0]) + length
        heapq.heapreplace(self._free, done)
        return done


class Queue:
    """Requests wait here, in the order they came, and for their service to end."""

    def __init__(
        self, workers: Workers, draw: Callable[[], float], log: GroundTruthLog | None
    ) -> None:
        self._workers = workers
        self._draw = draw
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._number = 0

    def join(self, answer: Callable[[], None]) -> None:
        """Take a request; ``answer`` is called when a worker is done with it."""
        # uvloop's own clock stands still within a pass of the loop, and goes in milliseconds.
        now = time.monotonic()
        service_time = self._draw()
        done = self._workers.take(now, service_time)
        if self._log is None:
            self._loop.call_later(done - now, answer)
            return
        record = RequestTruth(
            number=self._number,
            received=time.time(),
            service_time=service_time,
            scheduled=done - now,
            sojourn=0.0,
        )
        self._number += 1
        self._loop.call_later(done - now, self._end, answer, now, record)

    def _end(self, answer: Callable[[], None], arrived: float, record: RequestTruth) -> None:
        record.sojourn = time.monotonic() - arrived
        assert self._log is not None
        # Before the answer, so that whoever has it finds the record; it takes some 10 µs.
        self._log.write(record)
        answer()


class _Connection(asyncio.Protocol):
    """One client's connection. Clients do not pipeline."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not derived from it

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._answer(400, {"detail": "this is not HTTP"})
            if self._transport is not None:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's name
        self._transport = None

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._url = b""
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self._url == CONSTANT:
            if self._transport is not None:
                self._transport.write(_CONSTANT)
            return
        path, _, query = self._url.partition(b"?")
        detectors = parse_qs(query.decode("latin-1")).get("detector_id")
        is_post = self._parser.get_method() == b"POST"
        if is_post and inference.is_inference(path):
            self._infer(path, bytes(self._body))
        elif path != PATH or not is_post:
            self._answer(404, {"detail": "Not Found"})
        elif not detectors:
            self._answer(422, {"detail": "detector_id is missing"})
        elif not self._body.startswith(_JPEG):
            self._answer(400, {"detail": "the body is no JPEG"})
        else:
            self._work(_result(detectors[0]))

    def _infer(self, path: bytes, body: bytes) -> None:
        try:
            self._work(inference.answer(path, body))
        except ValueError as problem:
            self._answer(400, {"error": str(problem)})

    def _work(self, content: dict[str, Any]) -> None:
        """Answer with ``content`` when a worker is done with it."""
        self._queue.join(partial(self._answer, 200, content))

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        if self._transport is None:
            return  # the client has gone
        body = msgspec.json.encode(content)
        head = (
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            self._transport.write(head.encode() + body)


_JPEG: Final = b"\xff\xd8"
_CONSTANT: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    b'{"answer":"ok"}'
)
_REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 422: "Unprocessable Entity"}


def _result(detector: str) -> dict[str, Any]:
    return {
        "type": "image_query",
        "result_type": "counting",
        "detector_id": detector,
        "result": {"label": "GREATER_THAN", "count": COUNT, "confidence": 0.97, "from_edge": True},
    }
