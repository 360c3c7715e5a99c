"""One run of a plan: start, drain, stop, as one tree of tasks."""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import anyio
from anyio.abc import TaskGroup

from asyncload.cost.meter import Meter
from asyncload.engine.clock import RunClock
from asyncload.engine.closed import ClosedRun
from asyncload.engine.ending import Limited, foreign_note
from asyncload.engine.health import Health
from asyncload.engine.open import OpenRun
from asyncload.engine.scenario import ScenarioRun
from asyncload.engine.setup import Consumption, Prepared, prepare
from asyncload.jobs.clock import ServiceClock
from asyncload.jobs.clock_notes import clock_notes
from asyncload.jobs.consumer import StatusConsumer
from asyncload.jobs.dead_letters import DeadLetters
from asyncload.jobs.ledger import JobLedger
from asyncload.monitor.settings import MonitorSource
from asyncload.plan.plan import Plan
from asyncload.progress import Phase
from asyncload.records.record import Level, Note, Sink
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import hide_known
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.pool import CONNECTIONS
from asyncload.transport.queue import RequestQueue

SAMPLE_INTERVAL: Final = 1.0
LAST_POLLS: Final = 2.5  # seconds for open polls at the end, and to clear up repeated statuses


class Engine:
    """Carries out ``plan``: :meth:`prepare`, :meth:`begin`, :meth:`run`, in this order.

    :meth:`stop` ends the load and drains, :meth:`give_up` ends the drain, and
    :meth:`abort` ends everything now. They may be called at any moment, from the loop.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        sink: Sink,
        aws: Aws,
        run_id: str,
        log_backlog: Callable[[], int] = lambda: 0,
        meter: Meter | None = None,
        monitor: Sequence[MonitorSource] = (),
        connections: int = CONNECTIONS,
    ) -> None:
        self.plan = plan
        self.phase: Phase = "setup"
        self.doing = "starting"
        """What the set-up is busy with, in words."""
        self.clock = RunClock()
        self.load_end: float | None = None
        """When the load ended."""
        self.drain_end: float | None = None
        """When the drain will be given up; ``None`` before it begins, and when it has no limit."""
        self.given_up = False
        """Whether the drain was ended by :meth:`give_up`."""
        self.aborted = False
        """Whether all was ended by :meth:`abort`."""
        self.runs: list[ScenarioRun] = []
        self.calls: Counter[str] = Counter()
        """Calls to status queues by name: requests to AWS that are no user's."""
        self._sink = sink
        self._aws = aws
        self.http = FastHttpClient(clock=self.clock.ticking, limit=connections)
        self._resources = contextlib.AsyncExitStack()
        self._service_clock = ServiceClock(0.0)
        self.ledger = JobLedger(
            run_id, sink=sink, clock=self.clock.now, service_clock=self._service_clock
        )
        self._health = None
        if not self.clock.virtual:
            self._health = Health(
                self.clock, log_backlog=log_backlog, sources=monitor, sink=sink, note=self.note
            )
        self.cut_short: str | None = None
        """Why a limit ended the load before its time, in one sentence."""
        self._meter = meter
        if meter is not None:
            meter.guard(has_more=lambda: self.has_more, end_load=self._end_at_limit)
        self._notes: list[Note] = []
        self._prepared: list[Prepared] = []
        self._consumptions: list[Consumption] = []
        self._consumers: list[StatusConsumer] = []
        self._dead_letters = self._dead_letters_of([])
        self._ended = anyio.Event()
        self._work = anyio.CancelScope()
        """Around the load and the drain."""
        self._everything = anyio.CancelScope()

    @property
    def has_jobs(self) -> bool:
        """Whether a status queue is read, so that there is a ledger to report."""
        return bool(self._consumptions)

    @property
    def has_more(self) -> bool:
        """Whether iterations are still to start."""
        return any(run.has_more for run in self.runs)

    @property
    def unconfirmed(self) -> int:
        """After the load: jobs sent without an answer, of which nothing has been heard."""
        return len(self.ledger.live) - self.ledger.backlog if self.phase == "drain" else 0

    async def prepare(self) -> None:
        """Discover everything; raises what the user classes raise."""
        async with contextlib.AsyncExitStack() as resources:
            await resources.enter_async_context(Limited(self.http, self.note))
            if self._health is not None:
                await self._health.open(resources)
            self._prepared, self._consumptions, request_queues = await prepare(
                self.plan,
                self._aws,
                self.http,
                resources,
                note=self.note,
                progress=self._progress,
            )
            self._dead_letters = self._dead_letters_of(request_queues)
            self._resources = resources.pop_all()

    def begin(self) -> float:
        """Start the clock; return the wall clock's epoch seconds at t = 0."""
        self.clock.start()
        self._service_clock.epoch = self.clock.epoch
        self.runs = [self._scenario_run(prepared) for prepared in self._prepared]
        if self._ended.is_set():
            self.stop()  # it was called before there were any
        self.phase = "load"
        return self.clock.epoch

    async def run(self) -> None:
        """Carry out the load and the drain."""
        for note in self._notes:
            self._sink.write(note)
        self._notes.clear()
        self._consumers = [
            StatusConsumer(
                queue,
                self.ledger,
                clock=self.clock.now,
                epoch=self.clock.epoch,
                note=self.note,
                foreign=foreign,
                parse=parse,
                calling=self._calling,
            )
            for queue, foreign, parse in self._consumptions
        ]
        for consumer in self._consumers:
            consumer.quiet_at = self.plan.end
        try:
            with self._everything:
                async with anyio.create_task_group() as services:
                    services.start_soon(self._sample)
                    await self._with_consumers()
                    services.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._finish()

    async def _with_consumers(self) -> None:
        """Load and drain, with the status queues being read."""
        async with anyio.create_task_group() as readers:
            for consumer in self._consumers:
                readers.start_soon(consumer.run)
            await self._load_and_drain()
            await self._dead_letters.look(last=True)
            for consumer in self._consumers:
                consumer.close()
            readers.cancel_scope.deadline = anyio.current_time() + LAST_POLLS

    async def _finish(self) -> None:
        """Put everything in order, however the run ended."""
        async with anyio.create_task_group() as group:
            for consumer in self._consumers:
                group.start_soon(consumer.finish)
        await self._resources.aclose()
        self.ledger.close()
        self._write_levels()
        self._write_deliveries()
        for run in self.runs:
            run.note_ending()
        self._note_jobs()
        self.phase = "done"

    def stop(self) -> None:
        """Start no more work, let what is in flight finish, drain, and end."""
        self._ended.set()
        for run in self.runs:
            run.stop()

    def give_up(self) -> None:
        """Wait no longer for what is open; before the drain this does nothing."""
        if self.phase == "drain":
            self.given_up = True
            self._work.cancel()

    def abort(self) -> None:
        """End now. Open jobs are given up as lost."""
        self.aborted = True
        self._ended.set()
        if self.phase == "load":
            self._leave_load()
        self._everything.cancel()

    def note(self, level: str, text: str) -> None:
        """Record a note; before the clock starts it waits for the log's header."""
        text = hide_known(str(text))  # users' code calls it, too
        note = Note(t=self.clock(), level=str(level), text=text)
        if self.phase == "setup":
            self._notes.append(note)
        else:
            self._sink.write(note)

    def _dead_letters_of(self, queues: Sequence[RequestQueue]) -> DeadLetters:
        return DeadLetters(
            queues, self.ledger, clock=self.clock.now, note=self.note, calling=self._calling
        )

    def _expire(self, group: TaskGroup) -> None:
        """Give up jobs past their timeout, but look among the dead letters for them before."""
        if self._dead_letters.looking:
            return
        if self._dead_letters.due:
            group.start_soon(self._dead_letters.look)
        else:
            group.start_soon(self.ledger.expire_in_turns)

    def _progress(self, text: str) -> None:
        self.doing = text

    def _end_at_limit(self) -> None:
        assert self._meter is not None
        self.cut_short = self._meter.sentence(self.clock(), self.plan.end)
        self.note("warning", self.cut_short)
        self.stop()

    def _calling(self, operation: str) -> None:
        name = f"sqs.{operation}"
        self.calls[name] += 1
        if self._meter is not None:
            self._meter.beside(name)

    def _scenario_run(self, prepared: Prepared) -> ScenarioRun:
        shared = {
            "options": prepared.options,
            "shared": prepared.shared,
            "seed": self.plan.seed,
            "clock": self.clock,
            "sink": self._sink,
            "aws": self._aws,
            "http": self.http,
            "jobs": self.ledger,
            "meter": self._meter,
            "interrupted": lambda: self.aborted or self.given_up,
            "note": self.note,
        }
        if prepared.due_times is None:
            return ClosedRun(prepared.scenario, prepared.kind, **shared)
        return OpenRun(prepared.scenario, prepared.kind, due_times=prepared.due_times, **shared)

    async def _load_and_drain(self) -> None:
        with self._work:
            async with anyio.create_task_group() as group:
                group.start_soon(self._end_load)
                async with anyio.create_task_group() as loads:
                    for run in self.runs:
                        loads.start_soon(run.run)
                self._ended.set()  # all may be done before the planned end
            if self.has_jobs:
                await self.ledger.settle()

    async def _end_load(self) -> None:
        """At the end of the plan, or when stopped: a limit to the work that is left."""
        with anyio.move_on_after(self.plan.end - self.clock()):
            await self._ended.wait()
        # At its planned end a load ends by itself: what was due by then and is late still starts.
        for consumer in self._consumers:
            consumer.quiet_at = self.clock()
        self._leave_load()
        if self.plan.drain < math.inf:
            self.drain_end = self.clock() + self.plan.drain
            self._work.deadline = anyio.current_time() + self.plan.drain

    def _leave_load(self) -> None:
        self.phase = "drain"
        self.load_end = self.clock()
        self._write_levels()  # rates are per second of the load, so its end is recorded

    async def _sample(self) -> None:
        async with anyio.create_task_group() as group:
            if self._health is not None:
                self._health.start(group, self._consumers)
            tick = 0
            while True:
                self._write_levels()
                if self._health is not None:
                    self._sink.write(self._health.sample(self.clock()))
                tick = max(tick + 1, int(self.clock() / SAMPLE_INTERVAL) + 1)
                await self.clock.sleep_until(tick * SAMPLE_INTERVAL)
                self._expire(group)

    def _write_levels(self) -> None:
        now = self.clock()
        for run in self.runs:
            name = run.scenario.name
            loading = self.phase == "load" and now < run.scenario.end
            self._sink.write(
                Level(
                    t=now,
                    scenario=name,
                    target=run.scenario.level_at(now) if loading else 0.0,
                    users=run.users,
                    in_flight=run.in_flight,
                    backlog=self.ledger.backlog_by_scenario.get(name, 0),
                    ended=not loading,
                )
            )
        if self.has_jobs:
            self._sink.write(self.ledger.totals())
            self._sink.write(self._service_clock.state(now))

    def _write_deliveries(self) -> None:
        for run in self.runs:
            end = run.scenario.end if self.load_end is None else self.load_end
            delivery = run.delivery(min(end, run.scenario.end))
            if delivery is not None:
                self._sink.write(delivery)

    def _note_jobs(self) -> None:
        if self.has_jobs:
            for level, text in clock_notes(self._service_clock):
                self.note(level, text)
        for text in foreign_note(self.ledger, self._consumers):
            self.note("warning", text)
