"""A model of ModelRunner: takes requests from a queue and publishes statuses, as the world has it."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import random
from typing import Final

from asyncload.testing import status_body
from tests.simulation.sqs import LETTERS, REQUESTS, STATUSES, Message, ModelledSqs

FOREIGN_ID: Final = "f" * 32
TERMINAL: Final = ("SUCCESS", "PARTIAL", "FAILED")


class ModelledService:
    """Works on the requests of a :class:`ModelledSqs`, and lets others use its status queue."""

    def __init__(self, sqs: ModelledSqs) -> None:
        self.rejected: set[str] = set()
        """Jobs whose requests went to the dead letters."""
        self._world = sqs.world
        self._requests, self._statuses = sqs.queues[REQUESTS], sqs.queues[STATUSES]
        self._letters = sqs.queues[LETTERS]
        self._random = random.Random(f"{self._world.seed} service")
        self._loop = asyncio.get_running_loop()
        self._working: dict[str, list[asyncio.TimerHandle]] = {}
        self._requests.on_put = self._take
        for trouble in self._world.troubles:
            if trouble.kind == "crash":
                self._loop.call_at(trouble.start, self._crash)
                self._loop.call_at(trouble.end, self._restart)
        if self._world.foreign:
            self._loop.call_soon(self._speak_up)

    def _take(self) -> None:
        while len(self._working) < self._world.workers and not self._down:
            request = next(iter(self._requests.messages.values()), None)
            if request is None:
                return
            self._requests.take(request)
            self._begin(request)

    @property
    def _down(self) -> bool:
        return self._world.trouble("crash", self._loop.time()) is not None

    def _begin(self, request: Message) -> None:
        job = request.about[1]
        fate = self._fate(job)
        if fate == "rejected":
            self.rejected.add(job)
            self._letters.put(request.body, request.about, request.sent)
        if fate in {"rejected", "silent"}:
            return
        length = self._world.service_time * random.Random(
            f"{self._world.seed} {job} length"
        ).uniform(0.5, 1.5)
        self._publish(job, "STARTED")
        timers = [self._loop.call_later(length / 2, self._publish, job, "IN_PROGRESS")]
        timers.append(self._loop.call_later(length, self._end, job, fate))
        self._working[job] = timers

    def _fate(self, job: str) -> str:
        """Draw it from the job's number: the same whatever else goes on."""
        rng, world = random.Random(f"{self._world.seed} {job} fate"), self._world
        shares = {
            "rejected": world.rejected,
            "silent": world.silent,
            "stuck": world.stuck,
            "FAILED": world.failed,
            "PARTIAL": world.partial,
        }
        for fate, share in shares.items():
            if rng.random() < share:
                return fate
        return "SUCCESS"

    def _end(self, job: str, fate: str) -> None:
        del self._working[job]
        if fate != "stuck":
            self._publish(job, fate)
        self._take()

    def _publish(self, job: str, status: str) -> None:
        """Let SNS bring it to the queue: once or twice, after a while."""
        body = json.loads(status_body(job, status))
        moment = dt.datetime.fromtimestamp(self._loop.time() + self._world.skew, dt.UTC)
        body["Timestamp"] = moment.isoformat(timespec="milliseconds")
        for _ in range(2 if self._random.random() < self._world.repeated else 1):
            text, about = json.dumps(body), ("status", job, status)
            if self._random.random() < self._world.corrupted:
                text, about = text[: self._random.randrange(len(text))], ("unreadable",)
            delay = self._random.uniform(0, self._world.scattered)
            self._loop.call_later(delay, self._statuses.put, text, about)

    def _crash(self) -> None:
        for timers in self._working.values():
            for timer in timers:
                timer.cancel()

    def _restart(self) -> None:
        if self._down:  # another crash has begun before this one was over
            return
        self._crash()
        interrupted, self._working = list(self._working), {}
        for job in interrupted:
            body = json.dumps({"jobId": job})
            self._begin(Message(0, body, ("job", job), self._loop.time()))
        self._take()

    def _speak_up(self) -> None:
        if self._random.random() < 0.5:
            self._statuses.put(status_body(FOREIGN_ID, "SUCCESS"), ("foreign",))
        else:
            self._statuses.put("{no status", ("unreadable",))
        if self._loop.time() < self._world.duration + self._world.drain:
            pause = self._random.expovariate(self._world.foreign)
            self._loop.call_later(pause, self._speak_up)
