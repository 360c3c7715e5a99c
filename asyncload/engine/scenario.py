"""One scenario under way: its users, what they share, and how an iteration is carried out."""

from __future__ import annotations

import asyncio
import traceback
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio

from asyncload.cost.meter import Meter
from asyncload.engine.clock import RunClock
from asyncload.engine.stack import suspended_code
from asyncload.engine.user_tasks import ENDING, UserTasks
from asyncload.jobs.ledger import JobLedger
from asyncload.plan.plan import Scenario
from asyncload.records.record import FAILED, Delivery, Request, Sink
from asyncload.stats import units
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe
from asyncload.transport.http_client import HttpClient
from asyncload.transport.measure import CURRENT, Recorder, is_recorded
from asyncload.users.user import Context, User
from asyncload.users.wait import parse_wait

CRASHES: Final = BaseException
"""What user code may raise without ending the run, but for :data:`FATAL`."""
FATAL: Final = (KeyboardInterrupt, GeneratorExit)
LAST_MOMENT: Final = 2.0
"""Seconds that a user's ``on_stop`` may take."""


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
        meter: Meter | None = None,
        interrupted: Callable[[], bool] = lambda: False,
        note: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self.scenario = scenario
        self.kind = kind
        self.users = 0
        self.in_flight = 0
        self.has_more = True
        """Whether iterations are still to start."""
        self.clock = clock
        self.sink = sink
        self._options = options
        self._shared = shared
        self._seed = seed
        self._aws = aws
        self._http = http
        self._jobs = jobs
        self._meter = meter
        self._interrupted = interrupted
        self._note = note
        self._tasks = UserTasks(self._name_left)
        self._cut_off = 0
        """Users whose ``on_stop`` took too long."""
        self._made = 0
        self._load = anyio.CancelScope()
        self.starts: array[float] | None = None
        """When iterations began, in the open model; taken out from time to time."""

    def delivery(self, span: float) -> Delivery | None:  # noqa: ARG002 - for the open model
        """Say how the load went out in its ``span`` seconds; ``None`` where nothing was due."""
        return None

    async def run(self) -> None:
        """Carry out the scenario's load."""
        raise NotImplementedError

    def stop(self) -> None:
        """Start no more work; what is in flight goes on."""
        self.has_more = False
        self._load.cancel()

    async def new_user(self) -> User | None:
        """A user that has started, bound to this task; ``None`` when its ``on_start`` crashed."""
        number = self._made
        self._made = number + 1
        begun = None if self._meter is None else self._meter.begun
        recorder = Recorder(
            self.sink,
            self.clock.now,
            self.scenario.name,
            number,
            begun=begun,
            interrupted=self._interrupted,
        )
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
                    seed=f"{self._seed}/{self.scenario.name}/{number}",
                )
            )
            if not hasattr(user, "recorder"):
                raise TypeError(f"{self.kind.__qualname__}.__init__ must call super().__init__")
            user.wait = parse_wait(user.wait)
            await user.on_start()
            self._end_cancelled()
        except CRASHES as problem:
            self.users -= 1
            self._crashed(recorder, "on_start", self.clock(), self.clock(), problem)
            return None
        return user

    async def iterate(self, user: User, due: float) -> bool:
        """One iteration of ``user`` due at ``due``; whether it went without a crash.

        A crash is a failed record. Once a limit of the run is reached, nothing is done.
        """
        if self._meter is not None and self._meter.full:
            self._meter.refuse()
            return True
        self.in_flight += 1
        recorder = user.recorder
        start = recorder.clock()
        recorder.begin(due, start)
        if self.starts is not None:
            self.starts.append(start)
        name = "task"
        crashed = False
        try:
            name = _pick(user)
            await getattr(user, name)()
        except CRASHES as problem:
            crashed = self._crashed(recorder, name, due, start, problem)
        finally:
            self.in_flight -= 1
        self._end_cancelled()
        return not crashed

    async def retire(self, user: User) -> None:
        """The user leaves. Its ``on_stop`` is given a moment even when the run is over."""
        # asyncio's limit cancels once; anyio's would again and again, in each turn of the loop.
        limit = asyncio.timeout(LAST_MOMENT)
        try:
            async with limit:
                await user.on_stop()
        except CRASHES as problem:
            if not limit.expired() or isinstance(problem, FATAL):
                now = self.clock()
                self._crashed(user.recorder, "on_stop", now, now, problem)
        finally:
            self._cut_off += limit.expired()
            self.users -= 1

    def note_ending(self) -> None:
        """Note what was cut off at the end, once it is over."""
        if self._cut_off:
            self._note(
                "warning",
                f"on_stop of {units.counted(self._cut_off, 'user')} of scenario "
                f"{self.scenario.name!r} took over {LAST_MOMENT:g} s and was cut off",
            )

    def _end_cancelled(self) -> None:
        """End the task of a user whose code swallowed its cancellation."""
        if self._tasks.cancelled:
            raise asyncio.CancelledError

    def _name_left(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        places = Counter(suspended_code(task) or self.kind.__qualname__ for task in tasks)
        where = ", ".join(place for place, _ in places.most_common(3))
        self._note(
            "warning",
            f"{units.counted(len(tasks), 'user')} of scenario {self.scenario.name!r} had not ended "
            f"{ENDING:g} s after being cancelled, left behind: {where}; let "
            "asyncio.CancelledError pass there",
        )

    def _crashed(
        self, recorder: Recorder, name: str, due: float, start: float, problem: BaseException
    ) -> bool:
        """Record what user code raised; ``False`` when it has been recorded already.

        A cancellation that somebody asked for goes on; one that only came out
        of something the user waited for is a crash like any other.
        """
        if isinstance(problem, FATAL):
            raise problem
        if isinstance(problem, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise problem
        if is_recorded(problem):
            return False
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
        return True


def _pick(user: User) -> str:
    tasks = user.tasks
    if len(tasks) == 1:
        return tasks[0][0]
    names, weights = zip(*tasks, strict=True)
    return str(user.rng.choices(names, weights)[0])


def _crash_text(problem: BaseException) -> str:
    """The exception and the line of the user's code that raised it."""
    frames = traceback.extract_tb(problem.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return describe(problem) + where
