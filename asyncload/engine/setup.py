"""Before the clock starts: user classes, their options, and what they discover."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import anyio.to_thread
import msgspec
import numpy as np
from numpy.typing import NDArray

from asyncload.config.convert import convert
from asyncload.engine.ending import Limited
from asyncload.errors import AsyncloadError, ConfigError, TargetError
from asyncload.jobs.status import Parse, parse_status
from asyncload.plan.plan import Plan, Scenario, UserSpec
from asyncload.records.record import DROPPED_NAME
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe
from asyncload.transport.http_client import HttpClient
from asyncload.transport.queue import MessageQueue, RequestQueue
from asyncload.users.base_url import check_base_url
from asyncload.users.registry import KINDS, user_class
from asyncload.users.templates.tables import is_pattern
from asyncload.users.user import User
from asyncload.users.wait import NO_WAIT, parse_wait

Entered = TypeVar("Entered")
Foreign = Literal["leave", "delete"]
NoteFunction = Callable[[str, str], None]


class Consumption(NamedTuple):
    """A status queue to be read during the run."""

    queue: MessageQueue
    foreign: Foreign
    parse: Parse


class Prepared(NamedTuple):
    """A scenario that is ready to start."""

    scenario: Scenario
    kind: type[User]
    options: Any
    shared: Any
    due_times: NDArray[np.float64] | None
    """Of the open model; ``None`` in the closed one."""


class Discovered(NamedTuple):
    """What a run needs to start."""

    prepared: list[Prepared]
    consumptions: list[Consumption]
    request_queues: list[RequestQueue]


class ScenarioSetup:
    """What ``User.prepare`` is given (:class:`asyncload.users.user.Setup`)."""

    def __init__(
        self,
        aws: Aws,
        load: Scenario,
        prefix: str,
        *,
        http: HttpClient,
        resources: AsyncExitStack,
        note: NoteFunction,
        progress: Callable[[str], None],
    ) -> None:
        self.aws = aws
        self.http = http
        self.load = load
        self.scenario = load.name
        self.note = note
        self.progress = progress
        self.consumptions: list[Consumption] = []
        self.request_queues: list[RequestQueue] = []
        self._prefix = prefix
        self._resources = resources

    def key(self, option: str) -> str:
        """Give the config key of an option of the user."""
        return f"{self._prefix}.{option}"

    def find(self, name: str) -> Path:
        """Give the path of a file that the config names."""
        user = self.load.user
        beside = Path(user.folder if isinstance(user, UserSpec) else "", name)
        there = beside.parent.is_dir() if is_pattern(name) else beside.exists()
        return beside if there else Path(name)

    async def enter(self, resource: AbstractAsyncContextManager[Entered]) -> Entered:
        """Enter ``resource``; it is left at the end of the run."""
        return await self._resources.enter_async_context(Limited(resource, self.note))

    def consume(
        self, queue: MessageQueue, *, foreign: Foreign, parse: Parse = parse_status
    ) -> None:
        """Have the status consumer read ``queue``, each message with ``parse``."""
        self.consumptions.append(Consumption(queue, foreign, parse))

    def dead_letters(self, requests: RequestQueue) -> None:
        """Have jobs that are missing looked for among the dead letters of ``requests``."""
        self.request_queues.append(requests)


async def _prepared(kind: type[User], setup: ScenarioSetup, options: Any, index: int) -> Any:
    """Prepare a user class; what a user's code raises there becomes a sentence."""
    try:
        return await kind.prepare(setup, options)
    except AsyncloadError:
        raise
    except (Exception, SystemExit) as problem:
        _, *inside = traceback.extract_tb(problem.__traceback__)
        line = f" at {Path(inside[0].filename).name}:{inside[0].lineno}" if inside else ""
        raise TargetError(
            f"scenarios.{index}.user: {kind.__qualname__}.prepare fails with "
            f"{describe(problem)}{line}; mend that"
        ) from problem


def resolve_user(scenario: Scenario, index: int) -> tuple[type[User], msgspec.Struct]:
    """User class and options of a scenario. Raises :class:`ConfigError`; touches no network."""
    where = f"scenarios.{index}.user"
    user = scenario.user
    if isinstance(user, UserSpec):
        kind = user_class(user.kind, where=f"{where}.kind")
        _check_base_url(kind, where)
        options = convert(dict(user.options), kind.Options, where=where)
        _check_wait(scenario, user, where)
        return kind, options
    if isinstance(user, str) or (isinstance(user, type) and issubclass(user, User)):
        kind = user_class(user, where=where)
        _check_base_url(kind, where)
        return kind, convert({}, kind.Options, where=where)
    raise ConfigError(f"{where}: {user!r} is no user; give a subclass of asyncload.User")


def _check_base_url(kind: type[User], where: str) -> None:
    """Refuse the base URL of a class that no path may be appended to."""
    url: object = kind.base_url
    if not isinstance(url, str) or not url:  # a property, or none
        return
    try:
        check_base_url(f"{where}: base_url of {kind.__qualname__}", url)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None


def _check_wait(scenario: Scenario, user: UserSpec, where: str) -> None:
    """Refuse a wait that would be passed over; of classes of one's own it may mean anything."""
    wait = user.options.get("wait")
    if scenario.model != "open" or wait is None or user.kind not in KINDS:
        return
    if parse_wait(wait) != NO_WAIT:
        raise ConfigError(
            f"{where}.wait: is {wait!r}, and in the open model nobody waits, for requests go out "
            "when they are due; leave wait out, or set model: closed"
        )


def request_names(
    plan: Plan, users: Sequence[tuple[type[User], msgspec.Struct]]
) -> set[str] | None:
    """Names that thresholds of requests may have, ``None`` where they are not all known.

    A class speaks for itself only: those derived from it may send more.
    """
    names = {DROPPED_NAME, *(scenario.name for scenario in plan.scenarios)}
    for kind, options in users:
        known = kind.request_names(options) if "request_names" in vars(kind) else None
        if known is None:
            return None
        names.update(known)
    return names


async def prepare(
    plan: Plan,
    aws: Aws,
    http: HttpClient,
    resources: AsyncExitStack,
    *,
    note: NoteFunction,
    progress: Callable[[str], None],
) -> Discovered:
    """Discover everything, once: classes, options, targets, due times."""
    aws.note = note
    resolved = [resolve_user(scenario, index) for index, scenario in enumerate(plan.scenarios)]
    prepared: list[Prepared] = []
    consumptions: dict[str, Consumption] = {}
    requests: dict[str, RequestQueue] = {}
    for index, (scenario, (kind, options)) in enumerate(zip(plan.scenarios, resolved, strict=True)):
        setup = ScenarioSetup(
            aws,
            scenario,
            f"scenarios.{index}.user",
            http=http,
            resources=resources,
            note=note,
            progress=progress,
        )
        for service in kind.services:
            progress(f"making the client of {service}")
            await aws.client(service)
        shared = await _prepared(kind, setup, options, index)
        if scenario.model == "closed" and not scenario.peak(max(scenario.end / 1000, 0.1)):
            note(
                "warning",
                f"scenario {scenario.name!r} never has a user and sends nothing: users are whole, "
                "and its level stays below 0.5; raise it",
            )
        progress("working out due times")
        due_times = None
        if scenario.model == "open":
            # A day of load is millions of numbers; the live view goes on meanwhile.
            due_times = await anyio.to_thread.run_sync(scenario.due_times, plan.seed)
        prepared.append(Prepared(scenario, kind, options, shared, due_times))
        for queue in setup.request_queues:
            requests.setdefault(_identity(queue), queue)
        for wanted in setup.consumptions:
            known = consumptions.setdefault(_identity(wanted.queue), wanted)
            if known.foreign != wanted.foreign:
                raise ConfigError(
                    f"{setup.key('foreign')}: {wanted.foreign!r}, but another scenario reads "
                    f"{wanted.queue.name} with {known.foreign!r}; use one of them for both"
                )
            if known.parse is not wanted.parse:
                raise ConfigError(
                    f"{setup.key('kind')}: another scenario reads {wanted.queue.name} for the "
                    "statuses of another kind of service; give each kind a queue of its own"
                )
    return Discovered(prepared, list(consumptions.values()), list(requests.values()))


def _identity(queue: MessageQueue | RequestQueue) -> str:
    return str(getattr(queue, "url", queue.name))
