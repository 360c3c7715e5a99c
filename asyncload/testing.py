"""Public fakes for tests: virtual time, queues and a ModelRunner in memory.

:class:`VirtualTimeLoop` is an asyncio event loop whose clock jumps to the
next timer whenever nothing else is left to do, so a day of load runs in
seconds and every run is the same::

    anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

LONG_POLL: Final = 20
VISIBILITY_TIMEOUT: Final = 30.0


class _JumpingSelector(selectors.DefaultSelector):
    """Instead of blocking until a timer, move the loop's clock to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            # No timer and nothing ready: only another thread can go on from here.
            return super().select(1.0)
        if timeout > 0:
            ready = super().select(0)
            if ready:
                return ready
            self.now += timeout
            return []
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, starting at 0. A run takes it as its clock too.

    Time does not wait for threads: while one works, timers go off.
    """

    def __init__(self) -> None:
        self._virtual = _JumpingSelector()
        super().__init__(self._virtual)
        # Timers due within the clock's resolution fire together. asyncio fires
        # those before now + resolution, so it must be more than half an ulp of
        # now, or the loop would spin: 1e-7 s is, for 30 years.
        self._clock_resolution = 1e-7

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    precise_time = time


class FakeQueue:
    """A :class:`~asyncload.transport.queue.MessageQueue` in memory, on the loop's time.

    Delivers in order, long-polls for 20 s, hides what was received for 30 s.
    ``on_send`` is called with ``(message_id, body)`` of every message sent;
    ``letters`` are its dead letters, if it has any.
    """

    def __init__(
        self,
        name: str,
        *,
        on_send: Callable[[str, str], None] | None = None,
        letters: FakeQueue | None = None,
    ) -> None:
        self.name = name
        self.letters = letters
        self.received = 0
        self.deleted = 0
        self._on_send = on_send
        self._ids = itertools.count()
        self._waiting: deque[dict[str, Any]] = deque()
        self._hidden: dict[str, tuple[dict[str, Any], asyncio.TimerHandle]] = {}
        self._pollers: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._hidden)

    def put(self, body: str) -> str:
        """Add a message and return its id."""
        message_id = f"m-{next(self._ids)}"
        sent = str(int(asyncio.get_running_loop().time() * 1000))
        attributes = {"SentTimestamp": sent, "ApproximateReceiveCount": "0"}
        self._show({"MessageId": message_id, "Body": body, "Attributes": attributes})
        return message_id

    async def send(self, body: str) -> str:
        """Send one message and return its id."""
        if self._on_send is None:
            return self.put(body)
        message_id = f"m-{next(self._ids)}"
        self._on_send(message_id, body)
        return message_id

    async def receive(
        self, wait: int = LONG_POLL, *, hidden_for: float | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """Up to ten messages; waits up to ``wait`` seconds for the first."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        # Another receiver may take the message that woke this one: then it polls on.
        while not self._waiting and loop.time() < end:
            poller: asyncio.Future[None] = loop.create_future()
            timer = loop.call_at(end, _wake, poller)
            self._pollers.append(poller)
            try:
                await poller
            except asyncio.CancelledError:
                self._wake_next()
                raise
            finally:
                timer.cancel()
                poller.cancel()
        hidden_for = VISIBILITY_TIMEOUT if hidden_for is None else hidden_for
        return [self._hand_out(hidden_for) for _ in range(min(10, len(self._waiting)))]

    async def delete(self, receipt_handles: Sequence[str]) -> list[str]:
        """Delete messages; return the handles that are not known."""
        failed = []
        for handle in receipt_handles:
            hidden = self._hidden.pop(handle, None)
            if hidden is None:
                failed.append(handle)
            else:
                hidden[1].cancel()
                self.deleted += 1
        return failed

    async def release(self, delays: Sequence[tuple[str, int]]) -> None:
        """Give messages back, each after its delay in seconds."""
        loop = asyncio.get_running_loop()
        for handle, delay in delays:
            if handle in self._hidden:
                message, timer = self._hidden[handle]
                timer.cancel()
                self._hidden[handle] = (message, loop.call_later(delay, self._return, handle))

    async def dead_letters(self) -> FakeQueue | None:
        """Give its dead letters."""
        return self.letters

    def _hand_out(self, hidden_for: float) -> dict[str, Any]:
        message = self._waiting.popleft()
        self.received += 1
        count = int(message["Attributes"]["ApproximateReceiveCount"]) + 1
        attributes = {**message["Attributes"], "ApproximateReceiveCount": str(count)}
        message = {**message, "Attributes": attributes}
        handle = f"{message['MessageId']}#{count}"
        timer = asyncio.get_running_loop().call_later(hidden_for, self._return, handle)
        self._hidden[handle] = (message, timer)
        return {**message, "ReceiptHandle": handle}

    def _return(self, handle: str) -> None:
        message, _ = self._hidden.pop(handle)
        self._show(message)

    def _show(self, message: dict[str, Any]) -> None:
        self._waiting.append(message)
        self._wake_next()

    def _wake_next(self) -> None:
        while self._waiting and self._pollers:
            poller = self._pollers.popleft()
            if not poller.done():
                poller.set_result(None)
                return


def _wake(poller: asyncio.Future[None]) -> None:
    if not poller.done():
        poller.set_result(None)


class FakeModelRunner:
    """A ModelRunner on the loop's time: ``workers`` jobs at once, in order of arrival.

    ``service_time(job_id)`` gives seconds, ``outcome(job_id)`` the terminal
    status. Jobs are sent to ``requests``; statuses appear on ``statuses`` in
    SNS's envelope. ``finished`` holds the true end of every job when
    ``keep_ground_truth`` is on.
    """

    def __init__(
        self,
        *,
        workers: int = 4,
        service_time: Callable[[str], float] = lambda _: 0.25,
        outcome: Callable[[str], str] = lambda _: "SUCCESS",
        keep_ground_truth: bool = False,
    ) -> None:
        self.requests = FakeQueue("ImageRequestQueue", on_send=self._accept)
        self.statuses = FakeQueue("ImageStatusQueue")
        self.accepted = 0
        self.finished: dict[str, float] = {}
        self._free_at = [0.0] * workers
        self._service_time = service_time
        self._outcome = outcome
        self._keep_ground_truth = keep_ground_truth

    def _accept(self, _message_id: str, body: str) -> None:
        loop = asyncio.get_running_loop()
        job_id = msgspec.json.decode(body)["jobId"]
        self.accepted += 1
        started = max(loop.time(), heapq.heappop(self._free_at))
        finished = started + self._service_time(job_id)
        heapq.heappush(self._free_at, finished)
        loop.call_at(started, self.publish, job_id, "STARTED")
        loop.call_at(finished, self._finish, job_id)

    def _finish(self, job_id: str) -> None:
        if self._keep_ground_truth:
            self.finished[job_id] = asyncio.get_running_loop().time()
        self.publish(job_id, self._outcome(job_id))

    def publish(self, job_id: str, status: str) -> None:
        """Put a status message on the status queue."""
        self.statuses.put(status_body(job_id, status))


def status_body(job_id: str, status: str, **attributes: str) -> str:
    """Body of a status message as the real ModelRunner's topic gives it to a queue."""
    fields = {
        "status": status,
        "job_id": job_id,
        "image_status": status,
        "image_id": f"{job_id}:s3://images/one.tif",
        **attributes,
    }
    envelope = {
        "Type": "Notification",
        "MessageId": "00000000-0000-0000-0000-000000000000",
        "TopicArn": "arn:aws:sns:us-west-2:000000000000:ImageStatusTopic",
        "Message": f"StatusMonitor update: RequestStatus.{status} {job_id}: ",
        "Timestamp": "1970-01-01T00:00:00.000Z",
        "MessageAttributes": {
            name: {"Type": "String", "Value": value} for name, value in fields.items()
        },
    }
    return msgspec.json.encode(envelope).decode()
