"""Settings of a scenario, and the sources of those that the config leaves open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from asyncload.transport.aws.session import Aws
from asyncload.users.model_runner.task_definition import (
    TaskDefinition,
    newest_task_definition,
    no_such_task_definition,
)


class Setting(msgspec.Struct, frozen=True):
    """One setting of a scenario, as it will be used."""

    name: str
    """As the config calls it: ``request_queue``."""
    value: str
    """Empty, or with a place left open, while it is not :attr:`known`."""
    source: str
    """In words: ``config``, a variable's name, ``task definition ModelRunnerDataplane:7``, …"""
    key: str = ""
    """What messages about the value name: the config key, or the environment variable."""
    known: bool = True
    """``False``: somebody has to be asked first, whom :attr:`source` names."""


class SettingsSource(Protocol):
    """Where settings come from that the config leaves open."""

    async def account(self) -> Setting:
        """The account whose credentials are used; not known where nobody may be asked."""

    async def task_definition(self, pattern: str, *, key: str) -> TaskDefinition | None:
        """The newest task definition with ``pattern`` in its name; ``None``: nobody may be asked.

        ``key`` is where the pattern stands, for messages.
        """


class AwsSource:
    """Asks AWS: STS for the account, ECS for task definitions."""

    def __init__(self, aws: Aws, progress: Callable[[str], None] | None = None) -> None:
        self._aws = aws
        self._progress = progress or (lambda _: None)

    async def account(self) -> Setting:
        """Ask STS. Raises :class:`TargetError`."""
        self._progress("asking STS for the account")
        return Setting("account", await self._aws.account(), "STS")

    async def task_definition(self, pattern: str, *, key: str) -> TaskDefinition:
        """Ask ECS. Raises :class:`TargetError`."""
        self._progress("asking ECS for the task definition")
        return await newest_task_definition(self._aws, pattern, key=key)


class OfflineSource:
    """Settings of AWS without a call to it: what only AWS can tell stays unknown."""

    async def account(self) -> Setting:
        """Not known."""
        return Setting("account", "<account>", "STS is asked at the start", known=False)

    async def task_definition(self, pattern: str, *, key: str) -> None:  # noqa: ARG002
        """Not known."""
        return


class LocalSource:
    """Settings of the embedded stack, which are known before it is started."""

    def __init__(self, account: str, definition: TaskDefinition) -> None:
        self._account = account
        self._definition = definition

    async def account(self) -> Setting:
        """The stack's account."""
        return Setting("account", self._account, "the embedded stack")

    async def task_definition(self, pattern: str, *, key: str) -> TaskDefinition:
        """The stack's only one. Raises :class:`TargetError` when it is not meant."""
        if pattern not in self._definition.name:
            raise no_such_task_definition(pattern, at="the embedded stack", key=key)
        return self._definition
