"""The :class:`User` base class, and the objects that asyncload passes to it."""

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
from asyncload.transport.http.reuse import DEFAULT, Reuse
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

    Each iteration runs one task, drawn at random in proportion to the weights. Raises ValueError
    when ``weight`` is not positive, and TypeError when the method is not ``async``.
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
    """The argument of :meth:`User.prepare`, which runs before the clock starts."""

    @property
    def aws(self) -> Aws:
        """AWS clients for set-up; their calls are not recorded."""

    @property
    def http(self) -> HttpClient:
        """The HTTP client of the fast backend."""

    @property
    def scenario(self) -> str:
        """Name of the scenario."""

    @property
    def load(self) -> Scenario:
        """The scenario; in a split plan, this part of it."""

    def key(self, option: str) -> str:
        """Give the config key of an option, for messages: ``scenarios.0.user.images``."""

    def find(self, name: str) -> Path:
        """Resolve a path of the config, relative to the config file or else the current folder.

        The file need not exist. Blocks while it accesses the disk.
        """

    def note(self, level: str, text: str) -> None:
        """Add a note to the log and the report; ``level`` is ``info``, ``warning`` or ``error``."""

    def progress(self, text: str) -> None:
        """Show the current step of the set-up in the live view."""

    async def enter(self, resource: AbstractAsyncContextManager[Entered]) -> Entered:
        """Enter ``resource``, and exit it at the end of the run."""

    def consume(
        self,
        queue: MessageQueue,
        *,
        foreign: Literal["leave", "delete"],
        parse: Parse = parse_status,
    ) -> None:
        """Make the status consumer read ``queue`` during the run; ``parse`` reads its messages."""

    def dead_letters(self, requests: RequestQueue) -> None:
        """Search the dead-letter queue of ``requests`` for jobs that time out or stay open."""


class UserAws:
    """``self.aws`` of a user: AWS clients whose calls are recorded."""

    __slots__ = ("_aws",)

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    def client(self, service: str, *, region: str | None = None) -> Any:
        """Give an aiobotocore client, shared by all users of the run.

        ::

            answer = await self.aws.client("sqs").send_message(QueueUrl=..., MessageBody=...)

        Making a client takes 0.1 s: before the clock starts for the class's ``services``, else at
        the first call.
        """
        return self._aws.ready_client(service, region) or _LazyClient(self._aws, service, region)


class _LazyClient:
    """A shared client that is made at its first call."""

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
    """The argument of a user's constructor, made by the engine."""

    id: int
    options: Any
    shared: Any
    recorder: Recorder
    aws: Aws
    http: HttpClient
    jobs: JobLedger
    seed: str
    """Seed of this user's random numbers."""


class User:
    """A user (virtual user) of a scenario. Subclass it and give it tasks.

    ::

        class Caller(User):
            wait = between(1, 3)

            @task(weight=3)
            async def send(self) -> None:
                await self.aws.client("sqs").send_message(...)

    ``Options`` is the msgspec struct of the config's ``user`` section. ``wait`` is the think time
    between iterations, in the closed model. An exception in a task is recorded as a failed
    request; the run goes on.
    """

    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    services: ClassVar[tuple[str, ...]] = ()
    """AWS services whose clients are made before the clock starts."""
    base_url: str = ""
    """URL before the paths of ``self.http``; an option ``base_url`` replaces it."""
    reuse: Reuse = DEFAULT
    """How often, and for how long, ``self.http`` uses a connection again."""
    wait: Any = NO_WAIT
    """Think time: a :class:`~asyncload.users.wait.Wait`, or a value as in a config."""
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
        """The result of :meth:`prepare`, shared by all users of the scenario."""
        self.recorder = context.recorder
        self.jobs = context.jobs
        self._context = context

    # Made when they are first used: a random source alone takes 2.5 KB, and
    # there may be a hundred thousand users.

    @cached_property
    def aws(self) -> UserAws:
        """AWS clients; their calls are recorded."""
        return UserAws(self._context.aws)

    @cached_property
    def http(self) -> UserHttp:
        """HTTP client; its requests are recorded: ``await self.http.post("/path", json={...})``."""
        configured = getattr(self.options, "base_url", "")
        base_url = configured if configured not in {"", None, LOCAL} else self.base_url
        reuse = getattr(self.options, "reuse", None)
        if not isinstance(reuse, Reuse):
            reuse = self.reuse
        return UserHttp(self._context.http, self.recorder, base_url, reuse)

    @cached_property
    def rng(self) -> random.Random:
        """This user's random numbers, which depend on the run's seed."""
        return random.Random(self._context.seed)

    @classmethod
    async def prepare(cls, setup: Setup, options: Any) -> Any:  # noqa: ARG003 - for subclasses
        """Prepare the scenario once, before the clock starts; the result is ``self.shared``."""
        return None

    @classmethod
    async def describe_settings(
        cls,
        options: Any,  # noqa: ARG003 - for subclasses
        source: SettingsSource,  # noqa: ARG003
        key: Callable[[str], str],  # noqa: ARG003
    ) -> Sequence[Setting]:
        """Give the settings and their sources, for ``asyncload check``.

        Only ``source`` may make calls; ``key`` gives the config key of an option.
        """
        return ()

    @classmethod
    def describe_work(cls, options: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG003 - for subclasses
        """Describe an iteration as lines of (heading, text), for ``asyncload check``.

        An empty heading continues the previous one. Makes no calls; the caller hides secrets.
        """
        return ()

    @classmethod
    def expected_calls(cls, options: Any, load: ExpectedLoad) -> ExpectedCalls | None:  # noqa: ARG003 - for subclasses
        """Estimate a scenario's requests to AWS, for its cost; ``None`` if they are not known."""
        return None

    @classmethod
    def request_names(cls, options: Any) -> Collection[str] | None:  # noqa: ARG003 - for subclasses
        """Give the names of all requests, to check thresholds; ``None`` if they are not known."""
        return None

    async def on_start(self) -> None:
        """Run once when this user starts."""

    async def on_stop(self) -> None:
        """Run once when this user ends."""

    def measure(self, name: str) -> Measurement:
        """Measure one request, in a ``with`` block; see :class:`~asyncload.Measurement`."""
        return self.recorder.measure(name)
