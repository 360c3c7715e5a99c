"""One trial: a run of the real engine in a simulated world."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import anyio
import anyio.to_thread
import msgspec

from asyncload import Plan, Scenario, User, shapes, task
from asyncload.engine.run import Engine
from asyncload.jobs.ledger import LiveJob, Submission
from asyncload.records.record import Record
from asyncload.transport.aws import sqs_wire
from asyncload.transport.aws.aws_errors import ErrorDecoder
from asyncload.transport.aws.credentials import CredentialProvider
from asyncload.transport.aws.fast_sqs import FastSqsQueue
from asyncload.transport.aws.operation import FastService
from asyncload.transport.aws.session import Aws
from asyncload.transport.aws.sigv4 import Signer
from asyncload.users.jobs import JobSender
from asyncload.users.user import Setup
from asyncload.users.wait import between
from tests.simulation.network import Network, SimulatedLoop, StuckError
from tests.simulation.service import ModelledService
from tests.simulation.sqs import LETTERS, REQUESTS, STATUSES, URL, ModelledSqs
from tests.simulation.world import World

RUN: Final = "0123456789ab"
NAME: Final = "one.tif:model"


class Trial(msgspec.Struct):
    """What happened, as each side saw it."""

    world: World
    records: list[Record] = []
    opened: dict[str, BaseException | None] = {}
    """Jobs that users sent, and how the send failed."""
    sqs: Any = None
    service: Any = None
    ended_at: float = 0.0
    load_end: float = 0.0
    ending_at: float | None = None
    """When somebody stopped, gave up or aborted the run."""
    left: list[str] = []
    """Tasks and connections that were left over."""
    problem: BaseException | None = None
    """What came out of the run in place of a result."""

    @property
    def digest(self) -> str:
        """A fingerprint of all records: of two trials of one world it is the same."""
        return hashlib.sha256(b"\n".join(map(msgspec.json.encode, self.records))).hexdigest()


def try_world(world: World) -> Trial:
    """Carry out one trial."""
    trial = Trial(world)
    with _inline_threads():
        try:
            anyio.run(_main, trial, backend_options={"loop_factory": SimulatedLoop})
        except (StuckError, Exception) as problem:
            trial.problem = problem
    return trial


class _Keys:
    """Credentials that expire, and may be refreshed in the last half of their life."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._made: list[float] = [self._loop.time()]

    def refresh_needed(self) -> bool:
        return bool(self._world.keys_live)

    async def get_frozen_credentials(self) -> Any:
        now, live = self._loop.time(), self._world.keys_live
        if live and now > self._made[-1] + live / 2:
            await asyncio.sleep(0.05)
            if self._world.trouble("refresh", now) is not None:
                raise OSError("no credentials, as the world has it")
            self._made.append(now)
        return self

    @property
    def access_key(self) -> str:
        return f"AKIA{len(self._made)}"

    secret_key = "secret"
    token = None

    def valid(self, key: str) -> bool:
        """Whether a key may be used now."""
        made = self._made[int(key[4:]) - 1]
        return not self._world.keys_live or self._loop.time() < made + self._world.keys_live


class _Requests(FastSqsQueue):
    """A queue whose dead letters are read over the same network."""

    letters: _Letters

    async def dead_letters(self) -> _Letters:
        return self.letters


class _Letters(FastSqsQueue):
    async def receive(  # type: ignore[override]
        self, wait: int = 1, *, hidden_for: int | None = None
    ) -> Sequence[Mapping[str, Any]]:
        body = {"QueueUrl": self.url, "WaitTimeSeconds": wait, "VisibilityTimeout": hidden_for}
        response = await self._receive(msgspec.json.encode(body))
        return sqs_wire.decode_received(response.body)


class Options(msgspec.Struct, frozen=True):
    """No options."""

    wait: Any = None


@functools.cache
def _errors() -> ErrorDecoder:
    return ErrorDecoder("sqs")


def _user(trial: Trial, provider: CredentialProvider) -> type[User]:
    world = trial.world
    about = Submission("jobs", NAME, None, None, None, world.timeout)

    class Sender(JobSender):
        """Sends jobs, and waits for them where the world has it."""

        Options: ClassVar[type[msgspec.Struct]] = Options
        wait = between(0.1, 1.5)

        @classmethod
        async def prepare(cls, setup: Setup, _options: Any) -> FastSqsQueue:
            service = FastService(
                setup.http,
                service="sqs",
                endpoint_url=URL,
                signer=Signer(provider, "us-west-2", "sqs"),
                errors=_errors(),
            )
            requests = _Requests(service, f"{URL}/0/{REQUESTS}", batch_linger=world.linger or None)
            requests.letters = _Letters(service, f"{URL}/0/{LETTERS}")
            setup.consume(
                FastSqsQueue(service, f"{URL}/0/{STATUSES}"),
                foreign="delete" if world.delete_foreign else "leave",
            )
            setup.dead_letters(requests)
            return requests

        async def deliver(self, _spec: Any, job_id: str) -> str | None:
            trial.opened[job_id] = None
            try:
                sent: str = await self.shared.send(json.dumps({"jobId": job_id}))
            except BaseException as problem:
                trial.opened[job_id] = problem
                raise
            return sent

        @task
        async def go(self) -> None:
            job: LiveJob = await self.send(about)
            if world.waits:
                await self.jobs.wait(job)

    return Sender


class _Sink:
    def __init__(self, records: list[Record]) -> None:
        self.write = records.append


async def _main(trial: Trial) -> None:
    world = trial.world
    keys = _Keys(world)
    trial.sqs = sqs = ModelledSqs(world, keys.valid)
    trial.service = ModelledService(sqs)
    network = Network(world, sqs.serve)
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulatedLoop)
    loop.network = network
    unheard: list[str] = []
    loop.set_exception_handler(lambda _, what: unheard.append(str(what.get("exception", what))))
    provider = await CredentialProvider.of(keys)
    open_model = world.model == "open"
    scenario = Scenario(
        name="jobs",
        shape=shapes.Constant(level=world.level),
        user=_user(trial, provider),
        model=world.model,
        duration=world.duration,
        arrivals="poisson" if open_model else "even",
    )
    plan = Plan(scenarios=(scenario,), seed=world.seed, drain=world.drain, name="simulation")
    engine = Engine(plan, sink=_Sink(trial.records), aws=Aws(), run_id=RUN)
    try:
        await engine.prepare()
        engine.begin()
        async with anyio.create_task_group() as group:
            if world.ending is not None:
                group.start_soon(_end, trial, engine, *world.ending)
            await engine.run()
            group.cancel_scope.cancel()
        trial.ended_at = engine.clock()
        trial.load_end = engine.load_end or 0.0
        trial.records.append(engine.ledger.totals())
    finally:
        await provider.close()
        await asyncio.sleep(0)
        here = asyncio.current_task()
        trial.left = [str(one.get_coro()) for one in asyncio.all_tasks() if one is not here]
        trial.left += ["connection"] * len(network.open)
        trial.left += [f"an error that nobody heard of: {one}" for one in unheard]
        network.close()


async def _end(trial: Trial, engine: Engine, how: str, at: float) -> None:
    await anyio.sleep(at)
    if engine.phase != "done":
        trial.ending_at = engine.clock()
        getattr(engine, how)()


@contextlib.contextmanager
def _inline_threads() -> Any:
    """Virtual time does not wait for threads, so what is given to one is done at once."""
    real = anyio.to_thread.run_sync

    async def run_sync(function: Callable[..., Any], *args: Any, **_: Any) -> Any:
        return function(*args)

    anyio.to_thread.run_sync = run_sync  # type: ignore[assignment]
    try:
        yield
    finally:
        anyio.to_thread.run_sync = real
