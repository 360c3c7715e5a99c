"""One scenario under way: its users, what they share, and how an iteration is carried out."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio

from asyncload.engine.clock import RunClock
from asyncload.jobs.ledger import JobLedger
from asyncload.plan.plan import Scenario
from asyncload.records.record import FAILED, Request, Sink
from asyncload.transport.aws import Aws
from asyncload.transport.client import HttpClient
from asyncload.transport.measure import CURRENT, Recorder, is_recorded
from asyncload.users.user import Context, User

CRASH_PAUSE = 0.1
"""Seconds that a user rests after its code crashed, so that a bug does not become a busy loop."""


class ScenarioRun:
    """What the open and the closed driver have in common.

    ``users`` and ``in_flight`` are live counts. Subclasses implement
    :meth:`run`, which starts work until the load's end or :meth:`stop`, and
    returns when all of it is finished.
    """

    def __init__(
        self,
        scenario: Scenario,
        kind: type[User],
        *,
        options: Any,
        shared: Any,
        seed: int,
        clock: RunClock,
        sink: Sink,
        aws: Aws,
        http: HttpClient,
        jobs: JobLedger,
    ) -> None:
        self.scenario = scenario
        self.kind = kind
        self.users = 0
        self.in_flight = 0
        self.clock = clock
        self.sink = sink
        self._options = options
        self._shared = shared
        self._seed = seed
        self._aws = aws
        self._http = http
        self._jobs = jobs
        self._made = 0
        self._load = anyio.CancelScope()

    async def run(self) -> None:
        """Carry out the scenario's load."""
        raise NotImplementedError

    def stop(self) -> None:
        """Start no more work; what is in flight goes on."""
        self._load.cancel()

    async def new_user(self) -> User | None:
        """A user that has started, bound to this task; ``None`` when its ``on_start`` crashed."""
        number = self._made
        self._made = number + 1
        recorder = Recorder(self.sink, self.clock, self.scenario.name, number)
        CURRENT.set(recorder)
        self.users += 1
        try:
            user = self.kind(
                Context(
                    id=number,
                    options=self._options,
                    shared=self._shared,
                    recorder=recorder,
                    aws=self._aws,
                    http=self._http,
                    jobs=self._jobs,
                    rng=random.Random(f"{self._seed}/{self.scenario.name}/{number}"),
                )
            )
            await user.on_start()
        except Exception as problem:
            self.users -= 1
            self._record_crash(recorder, "on_start", self.clock(), self.clock(), problem)
            return None
        return user

    async def iterate(self, user: User, due: float) -> None:
        """One iteration of ``user`` due at ``due``. A crash is a failed record."""
        self.in_flight += 1
        recorder = user.recorder
        recorder.begin(due)
        start = self.clock()
        name = _pick(user)
        try:
            await getattr(user, name)()
        except Exception as problem:
            if not is_recorded(problem):
                self._record_crash(recorder, name, due, start, problem)
                await anyio.sleep(CRASH_PAUSE)
        finally:
            self.in_flight -= 1

    async def retire(self, user: User) -> None:
        """The user leaves."""
        try:
            await user.on_stop()
        except Exception as problem:
            if not is_recorded(problem):
                now = self.clock()
                self._record_crash(user.recorder, "on_stop", now, now, problem)
        finally:
            self.users -= 1

    def _record_crash(
        self, recorder: Recorder, name: str, due: float, start: float, problem: Exception
    ) -> None:
        end = self.clock()
        self.sink.write(
            Request(
                t=end,
                scenario=self.scenario.name,
                user=recorder.user,
                name=name,
                due=due,
                end=end,
                outcome=FAILED,
                start=start,
                error=_crash_text(problem),
            )
        )


def _pick(user: User) -> str:
    tasks = user.tasks
    if len(tasks) == 1:
        return tasks[0][0]
    names, weights = zip(*tasks, strict=True)
    return str(user.rng.choices(names, weights)[0])


def _crash_text(problem: Exception) -> str:
    """The exception and the line of the user's code that raised it."""
    from asyncload.transport.describe import describe

    frames = traceback.extract_tb(problem.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return describe(problem) + where


Driver = Callable[..., ScenarioRun]
