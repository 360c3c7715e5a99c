"""Settings of a scenario, and the sources of those that are not in the config."""

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
    """One setting of a scenario, with its source."""

    name: str
    """Key in the config, such as ``request_queue``."""
    value: str
    """Empty or incomplete while it is not :attr:`known`."""
    source: str
    """In words: ``config``, a variable's name, ``task definition ModelRunnerDataplane:7``, …"""
    key: str = ""
    """Config key or environment variable, for messages about the value."""
    known: bool = True
    """``False`` if a call to :attr:`source` is needed to find the value."""


class SettingsSource(Protocol):
    """A source of settings that are not in the config."""

    async def account(self) -> Setting:
        """Give the account of the credentials; not known without a call to AWS."""

    async def task_definition(self, pattern: str, *, key: str) -> TaskDefinition | None:
        """Give the newest task definition with ``pattern`` in its name; ``None`` without a call.

        ``key`` is the config key of the pattern, for messages.
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
    """Makes no calls to AWS, so the settings that need one stay unknown."""

    async def account(self) -> Setting:
        """Give a setting that is not known."""
        return Setting("account", "<account>", "STS is asked at the start", known=False)

    async def task_definition(self, pattern: str, *, key: str) -> None:  # noqa: ARG002
        """Give ``None``: only AWS knows it."""
        return


class LocalSource:
    """Gives the settings of the embedded stack, which are known before it starts."""

    def __init__(self, account: str, definition: TaskDefinition) -> None:
        self._account = account
        self._definition = definition

    async def account(self) -> Setting:
        """Give the stack's account."""
        return Setting("account", self._account, "the embedded stack")

    async def task_definition(self, pattern: str, *, key: str) -> TaskDefinition:
        """Give the stack's only task definition. Raises :class:`TargetError` for others."""
        if pattern not in self._definition.name:
            raise no_such_task_definition(pattern, at="the embedded stack", key=key)
        return self._definition
