"""A model of SQS behind HTTP: what it does to a call is drawn from the world."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from tests.simulation.network import Side
from tests.simulation.world import World

URL: Final = "http://localhost:9324"
REQUESTS, STATUSES, LETTERS = "ImageRequestQueue", "ImageStatusQueue", "ImageRequestQueue-dlq"
SENDS: Final = frozenset({"SendMessage", "SendMessageBatch"})


class Message:
    """One message, and what a test knows of it."""

    def __init__(self, number: int, body: str, about: tuple[str, ...], sent: float) -> None:
        self.id = f"00000000-0000-4000-8000-{number:012x}"
        self.body = body
        self.about = about
        """``("status", job_id, status)``, ``("foreign",)``, ``("unreadable",)`` or ``()``."""
        self.sent = sent
        self.visible_at = 0.0
        self.received = 0


class Queue:
    """A queue: at least once, in no order."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self.messages: dict[str, Message] = {}
        self.deleted: list[Message] = []
        self.on_put: Callable[[], None] = lambda: None
        self._random = rng
        self._polls: deque[_Poll] = deque()
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count()

    def put(self, body: str, about: tuple[str, ...] = (), sent: float | None = None) -> Message:
        """Add a message."""
        at = self._loop.time() if sent is None else sent
        message = Message(next(self._numbers), body, about, at)
        self.messages[message.id] = message
        self._serve()
        self.on_put()
        return message

    def take(self, message: Message) -> None:
        """Remove a message: the service has taken it."""
        self.messages.pop(message.id, None)

    def visible(self) -> list[Message]:
        """Messages that may be received."""
        now = self._loop.time()
        return [one for one in self.messages.values() if one.visible_at <= now]

    def receive(self, wait: float, answer: Callable[[list[Message]], float]) -> None:
        """Call ``answer`` with up to ten messages, after ``wait`` seconds at most.

        It gives the seconds for which they are hidden then.
        """
        poll = _Poll(answer)
        self._polls.append(poll)
        poll.timer = self._loop.call_later(wait, self._give_up, poll)
        self._serve()

    def hide(self, handle: str, seconds: float) -> bool:
        """Hide a message for ``seconds``; whether there is one."""
        message = self.messages.get(handle.partition("#")[0])
        if message is not None:
            message.visible_at = self._loop.time() + seconds
            self._loop.call_later(seconds, self._serve)
        return message is not None

    def delete(self, handle: str) -> bool:
        """Delete a message; whether there was one."""
        message = self.messages.pop(handle.partition("#")[0], None)
        if message is not None:
            self.deleted.append(message)
        return message is not None

    def _serve(self) -> None:
        while self._polls and (found := self.visible()):
            poll = self._polls.popleft()
            self._answer(poll, self._random.sample(found, min(len(found), 10)))

    def _give_up(self, poll: _Poll) -> None:
        self._polls.remove(poll)
        self._answer(poll, [])

    def _answer(self, poll: _Poll, batch: list[Message]) -> None:
        assert poll.timer is not None
        poll.timer.cancel()
        hidden = poll.answer(batch)
        for message in batch:
            self.hide(message.id, hidden)


class _Poll:
    def __init__(self, answer: Callable[[list[Message]], float]) -> None:
        self.answer = answer
        self.timer: asyncio.TimerHandle | None = None


class ModelledSqs:
    """Three queues behind HTTP; keeps account of all that was asked and answered."""

    def __init__(self, world: World, valid_key: Callable[[str], bool]) -> None:
        self.world = world
        self.random = random.Random(f"{world.seed} sqs")
        self.queues = {name: Queue(name, self.random) for name in (REQUESTS, STATUSES, LETTERS)}
        self.calls: Counter[str] = Counter()
        """Calls that arrived, by operation."""
        self.arrivals: list[float] = []
        """When calls that send arrived."""
        self.seen: set[str] = set()
        """Jobs whose requests arrived, whatever became of them."""
        self.accepted: Counter[str] = Counter()
        """How often each job's request was taken into the queue."""
        self.confirmed: set[str] = set()
        """Jobs whose sender was told so."""
        self.sends_answered = 0
        """Calls that send, answered with 200 to somebody who still waited."""
        self.deliveries: list[tuple[float, Message]] = []
        """Status messages that the consumer has been given, and when."""
        self._valid_key = valid_key
        self._loop = asyncio.get_running_loop()

    def serve(self, side: Side) -> _Connection:
        """Make the protocol of a new connection."""
        return _Connection(self, side)

    # -- one call -------------------------------------------------------------

    def call(self, operation: str, body: dict[str, Any], key: str, side: Side) -> None:
        """Carry out a call and answer it, unless the world is against it."""
        self.calls[operation] += 1
        if operation in SENDS:
            self.arrivals.append(self._loop.time())
            bodies = [entry["MessageBody"] for entry in body.get("Entries", [body])]
            self.seen.update(json.loads(one)["jobId"] for one in bodies)
        if self._struck("throttle"):
            self._refuse(side, 400, "RequestThrottled", "as the world has it")
        elif not self._valid_key(key):
            self._refuse(side, 400, "ExpiredToken", "the security token has expired")
        elif (broken := self._struck("broken")) and self.random.random() < 0.5:
            self._refuse(side, 500, "InternalFailure", "before it was carried out")
        elif (reset := self._struck("reset")) and self.random.random() < 0.5:
            side.reset()
        else:
            answer: _Answer = self._answer
            if broken:
                answer = self._break
            elif reset:
                answer = self._reset
            getattr(self, f"_{operation}")(self._queue(body), body, side, answer)

    def _SendMessage(self, queue: Queue, body: Any, side: Side, answer: _Answer) -> None:
        job = self._send(queue, body["MessageBody"])
        answer(side, {"MessageId": job.id}, self._told([job]))

    def _SendMessageBatch(self, queue: Queue, body: Any, side: Side, answer: _Answer) -> None:
        sent, failed, jobs = [], [], []
        for entry in body["Entries"]:
            if self._struck("entries"):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            jobs.append(self._send(queue, entry["MessageBody"]))
            sent.append({"Id": entry["Id"], "MessageId": jobs[-1].id})
        answer(side, {"Successful": sent, "Failed": failed}, self._told(jobs))

    def _send(self, queue: Queue, body: str) -> Message:
        job = json.loads(body)["jobId"]
        self.accepted[job] += 1
        return queue.put(body, ("job", job))

    def _told(self, jobs: list[Message]) -> Callable[[], None]:
        def told() -> None:
            self.sends_answered += 1
            self.confirmed.update(job.about[1] for job in jobs)

        return told

    def _ReceiveMessage(self, queue: Queue, body: Any, side: Side, answer: _Answer) -> None:
        def respond(batch: list[Message]) -> float:
            if side.closed:  # nobody is there: what was taken stays hidden all the same
                return self.world.visibility
            messages = []
            for message in batch:
                message.received += 1
                messages.append(self._shown(message))
            answer(side, {"Messages": messages} if batch else {}, lambda: self._given(queue, batch))
            if self._struck("redeliver"):
                return 0.1
            return float(body.get("VisibilityTimeout", self.world.visibility))

        queue.receive(body["WaitTimeSeconds"], respond)

    def _shown(self, message: Message) -> dict[str, Any]:
        return {
            "MessageId": message.id,
            "ReceiptHandle": f"{message.id}#{message.received}",
            "Body": message.body,
            "Attributes": {
                "SentTimestamp": str(int((message.sent + self.world.skew) * 1000)),
                "ApproximateReceiveCount": str(message.received),
            },
        }

    def _given(self, queue: Queue, batch: list[Message]) -> None:
        if queue.name == STATUSES:
            self.deliveries += [(self._loop.time(), message) for message in batch]

    def _DeleteMessageBatch(self, queue: Queue, body: Any, side: Side, answer: _Answer) -> None:
        self._entries(
            body, side, answer, lambda entry: queue.delete(entry["ReceiptHandle"]) or True
        )

    def _ChangeMessageVisibilityBatch(
        self, queue: Queue, body: Any, side: Side, answer: _Answer
    ) -> None:
        self._entries(
            body,
            side,
            answer,
            lambda entry: queue.hide(entry["ReceiptHandle"], entry["VisibilityTimeout"]),
        )

    def _entries(
        self, body: Any, side: Side, answer: _Answer, carry_out: Callable[[Any], bool]
    ) -> None:
        done, failed = [], []
        for entry in body["Entries"]:
            if self._struck("entries") or not carry_out(entry):
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                done.append({"Id": entry["Id"]})
        answer(side, {"Successful": done, "Failed": failed}, _nothing)

    # -- answers --------------------------------------------------------------

    def _answer(self, side: Side, body: Any, delivered: Callable[[], None]) -> None:
        if self._struck("garbage"):
            side.write(b"\x00SMTP 220 hello\r\n\r\n")
        elif self._struck("slow"):
            pause = self.random.uniform(0.5, 8)
            self._loop.call_later(pause, side.write, _http(200, body), delivered)
        else:
            side.write(_http(200, body), delivered)

    def _break(self, side: Side, _body: Any, _delivered: Callable[[], None]) -> None:
        self._refuse(side, 500, "InternalFailure", "after it was carried out")

    def _reset(self, side: Side, _body: Any, _delivered: Callable[[], None]) -> None:
        side.reset()

    def _refuse(self, side: Side, status: int, code: str, message: str) -> None:
        side.write(_http(status, {"__type": f"com.amazonaws.sqs#{code}", "message": message}))

    def _struck(self, kind: Any) -> bool:
        trouble = self.world.trouble(kind, self._loop.time())
        return trouble is not None and self.random.random() < trouble.share

    def _queue(self, body: dict[str, Any]) -> Queue:
        return self.queues[body["QueueUrl"].rpartition("/")[2]]


_Answer = Callable[[Side, Any, Callable[[], None]], None]


def _nothing() -> None:
    """Nobody keeps account of it."""


def _http(status: int, body: Any) -> bytes:
    text = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.0\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


class _Connection:
    """The service's side of a connection: one request after the other."""

    def __init__(self, sqs: ModelledSqs, side: Side) -> None:
        self._sqs = sqs
        self._side = side
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, rest = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        headers = {name.lower(): value for name, value in headers.items()}
        length = int(headers["content-length"])
        if len(rest) < length:
            return
        self._data = rest[length:]
        operation = headers["x-amz-target"].rpartition(".")[2]
        key = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        self._sqs.call(operation, json.loads(rest[:length]), key, self._side)

    def eof_received(self) -> None:
        """The other end is done."""

    def connection_lost(self, problem: Exception | None) -> None:
        """The connection is gone."""
