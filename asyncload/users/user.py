"""The :class:`User` base class: what a user class declares, and what it is given."""

from __future__ import annotations

import functools
import inspect
import math
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, TypeVar, overload

import msgspec

from asyncload.jobs.ledger import JobLedger
from asyncload.jobs.status import Parse, parse_status
from asyncload.plan.plan import Scenario
from asyncload.transport.aws.session import Aws
from asyncload.transport.http_client import HttpClient
from asyncload.transport.measure import Measurement, Recorder
from asyncload.transport.queue import MessageQueue, RequestQueue
from asyncload.users.base_url import LOCAL
from asyncload.users.call_estimate import ExpectedCalls, ExpectedLoad
from asyncload.users.http.calls import UserHttp
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.wait import NO_WAIT

Task = Callable[[Any], Awaitable[Any]]
Entered = TypeVar("Entered")
TaskFunction = TypeVar("TaskFunction", bound=Task)


@overload
def task(weight: TaskFunction, /) -> TaskFunction: ...


@overload
def task(weight: float = 1) -> Callable[[TaskFunction], TaskFunction]: ...


def task(
    weight: float | TaskFunction = 1,
) -> TaskFunction | Callable[[TaskFunction], TaskFunction]:
    """Mark a coroutine method as a task: ``@task``, ``@task()`` or ``@task(weight=3)``.

    Tasks are picked at random by weight. Raises ValueError when ``weight`` is not
    positive, and TypeError when the method is not ``async``.
    """
    if callable(weight):
        return _marked(weight, 1)
    if not 0 < weight < math.inf:
        raise ValueError(f"@task takes a weight: @task() or @task(weight=3), got {weight!r}")
    return functools.partial(_marked, weight=weight)


def _marked(function: TaskFunction, weight: float) -> TaskFunction:
    if not inspect.iscoroutinefunction(inspect.unwrap(function)):
        raise TypeError(f"{function!r} is not a coroutine; write async def after @task")
    function.__dict__["asyncload_weight"] = weight
    return function


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of a user class that takes no options."""


class Setup(Protocol):
    """What :meth:`User.prepare` is given: discovery happens here, before the clock starts."""

    @property
    def aws(self) -> Aws:
        """AWS clients for set-up calls, which are not recorded."""

    @property
    def http(self) -> HttpClient:
        """The fast backend's client, for requests of the load."""

    @property
    def scenario(self) -> str:
        """Name of the scenario."""

    @property
    def load(self) -> Scenario:
        """The scenario's load; of a split plan, this part's share of it."""

    def key(self, option: str) -> str:
        """Give the config key of an option, for messages: ``scenarios.0.user.images``."""

    def find(self, name: str) -> Path:
        """Give the path of a file that the config names: beside the config file, or else here.

        It need not exist. Blocks for the time of a look at the disk.
        """

    def note(self, level: str, text: str) -> None:
        """Tell the user of the run something; it stands in the log and the report."""

    def progress(self, text: str) -> None:
        """Say what is being done, for a person who waits."""

    async def enter(self, resource: AbstractAsyncContextManager[Entered]) -> Entered:
        """Enter ``resource``; it is left at the end of the run."""

    def consume(
        self,
        queue: MessageQueue,
        *,
        foreign: Literal["leave", "delete"],
        parse: Parse = parse_status,
    ) -> None:
        """Have the status consumer read ``queue`` during the run, each message with ``parse``."""

    def dead_letters(self, requests: RequestQueue) -> None:
        """Search the dead-letter queue of ``requests`` for jobs that time out or stay open."""


class UserAws:
    """``self.aws`` of a user: clients whose calls are recorded as this user's requests."""

    __slots__ = ("_aws",)

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Give an aiobotocore client, shared by all users of the run.

        ::

            answer = await self.aws.client("sqs").send_message(QueueUrl=..., MessageBody=...)

        A client takes a tenth of a second to make: those of the class's
        ``services`` are made before the clock starts, others at their first call.
        """
        return self._aws.ready_client(service, region) or _LazyClient(self._aws, service, region)


class _LazyClient:
    """Stands for a shared client until the first call."""

    __slots__ = ("_aws", "_region", "_service")

    def __init__(self, aws: Aws, service: str, region: str | None) -> None:
        self._aws = aws
        self._service = service
        self._region = region

    def __getattr__(self, operation: str) -> Callable[..., Awaitable[Any]]:
        if operation in {"exceptions", "get_paginator", "get_waiter", "meta"}:
            raise RuntimeError(
                f"{operation} needs a client that is ready: write "
                f"services = ({self._service!r},) in the user class"
            )

        async def call(*args: Any, **parameters: Any) -> Any:
            client = await self._aws.client(self._service, region=self._region)
            return await getattr(client, operation)(*args, **parameters)

        return call


class Context(msgspec.Struct):
    """What the engine hands to each new user."""

    id: int
    options: Any
    shared: Any
    recorder: Recorder
    aws: Aws
    http: HttpClient
    jobs: JobLedger
    seed: str
    """Of this user's random numbers."""


class User:
    """One user of a scenario. Subclass it and give it tasks.

    ::

        class Caller(User):
            wait = between(1, 3)

            @task(weight=3)
            async def send(self) -> None:
                await self.aws.client("sqs").send_message(...)

    ``Options`` is the msgspec struct that the config's ``user`` section is
    read into; ``wait`` holds between iterations in the closed model. An
    exception out of a task is a failed record, not the end of the run.
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    services: ClassVar[tuple[str, ...]] = ()
    """AWS services whose clients are made before the clock starts."""
    base_url: str = ""
    """What paths given to ``self.http`` are appended to; an option of that name wins over it."""
    wait: Any = NO_WAIT
    """A :class:`~asyncload.users.wait.Wait`, or what a config's ``wait`` may be."""
    tasks: ClassVar[tuple[tuple[str, float], ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.tasks = tuple(
            (name, member.asyncload_weight)
            for name in dir(cls)
            if hasattr(member := getattr(cls, name), "asyncload_weight")
        )

    def __init__(self, context: Context) -> None:
        self.id = context.id
        self.options = context.options
        self.shared = context.shared
        """What :meth:`prepare` returned; the same object for all users of the scenario."""
        self.recorder = context.recorder
        self.jobs = context.jobs
        self._context = context

    # Made when they are first used: a random source alone takes 2.5 KB, and
    # there may be a hundred thousand users.

    @cached_property
    def aws(self) -> UserAws:
        """AWS clients whose calls are recorded."""
        return UserAws(self._context.aws)

    @cached_property
    def http(self) -> UserHttp:
        """HTTP requests, recorded: ``await self.http.post("/classify", json={...})``."""
        configured = getattr(self.options, "base_url", "")
        base_url = configured if configured not in {"", None, LOCAL} else self.base_url
        return UserHttp(self._context.http, self.recorder, base_url)

    @cached_property
    def rng(self) -> random.Random:
        """Random numbers of this user's own, from the run's seed."""
        return random.Random(self._context.seed)

    @classmethod
    async def prepare(cls, setup: Setup, options: Any) -> Any:  # noqa: ARG003 - for subclasses
        """Discover what the scenario needs, once, before the clock starts."""
        return None

    @classmethod
    async def describe_settings(
        cls,
        options: Any,  # noqa: ARG003 - for subclasses
        source: SettingsSource,  # noqa: ARG003
        key: Callable[[str], str],  # noqa: ARG003
    ) -> Sequence[Setting]:
        """Tell what will be used and where it comes from, for ``asyncload check``.

        Only ``source`` is asked; ``key`` gives the config key of an option.
        """
        return ()

    @classmethod
    def describe_work(cls, options: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG003 - for subclasses
        """Tell what an iteration does, as (what, how) in words, for ``asyncload check``.

        An empty ``what`` goes on with the one before. Asks nobody; secrets are hidden afterwards.
        """
        return ()

    @classmethod
    def expected_calls(cls, options: Any, load: ExpectedLoad) -> ExpectedCalls | None:  # noqa: ARG003 - for subclasses
        """Tell which requests to AWS a scenario will send, for an estimate of its cost.

        ``None``: that is not known.
        """
        return None

    @classmethod
    def request_names(cls, options: Any) -> Collection[str] | None:  # noqa: ARG003 - for subclasses
        """Tell the names of all requests a scenario will send, for the check of thresholds.

        ``None``: they are not known beforehand.
        """
        return None

    async def on_start(self) -> None:
        """Run when this user joins."""

    async def on_stop(self) -> None:
        """Run when this user leaves."""

    def measure(self, name: str) -> Measurement:
        """Record one request by hand; see :class:`~asyncload.transport.measure.Measurement`."""
        return self.recorder.measure(name)
