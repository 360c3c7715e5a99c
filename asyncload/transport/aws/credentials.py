"""AWS credentials, kept fresh off the hot path."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import inspect
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from asyncload.errors import TargetError
from asyncload.transport.error_text import describe

LOOK_EVERY: Final = 60.0
"""Seconds between looks at refreshable credentials. botocore refreshes 15 minutes before expiry."""
READ_AGAIN_EVERY: Final = 2.0
"""Seconds between two readings of keys that a service refuses."""
REFUSED: Final = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
"""Codes that new keys may help against."""

NO_TERMINAL: Final = (
    "the AWS profile asks for an MFA code, and there is no terminal to ask on; run in a terminal, "
    "or set the AWS_* variables of a session (aws sts get-session-token)"
)

ReadAgain = Callable[[], Awaitable[Any]]
Note = Callable[[str, str], None]


def unheard(level: str, text: str) -> None:
    """Note nothing."""


class Credentials(msgspec.Struct, frozen=True, repr_omit_defaults=True):
    """One set of keys. Its repr hides them."""

    access_key: str
    secret_key: str
    token: str | None = None

    def __repr__(self) -> str:
        return "Credentials(hidden)"

    __str__ = __repr__


class CredentialProvider:
    """Holds the current credentials; :attr:`current` is a plain attribute read.

    Refreshable sources (assumed roles, SSO, instance roles, web identity) are
    looked at once a minute, or more often when they live shorter, by a task of
    our own. botocore's credential object decides whether a refresh is due, so
    the rule is the SDK's. If a refresh fails, the old credentials stay, and
    ``note`` is told why, once until it works again. Other keys are read again
    with ``read_again`` when a service refuses them: a tool may have written
    new ones into the file.
    """

    def __init__(
        self,
        source: Any,
        current: Credentials,
        *,
        read_again: ReadAgain | None = None,
        note: Note = unheard,
    ) -> None:
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._read_at = -READ_AGAIN_EVERY
        self._read_again = read_again
        self._note = note
        self._failing = False
        self.current = current

    @classmethod
    def fixed(
        cls, access_key: str, secret_key: str, token: str | None = None
    ) -> CredentialProvider:
        """Return credentials that never change."""
        return cls(None, Credentials(access_key, secret_key, token))

    @classmethod
    async def of(
        cls,
        source: Any,
        *,
        read_again: ReadAgain | None = None,
        note: Note = unheard,
    ) -> CredentialProvider:
        """Wrap a botocore or aiobotocore credential object, such as ``session.get_credentials()``.

        Raises what it raises when the keys cannot be had.
        """
        provider = cls(source, await _frozen(source), read_again=read_again, note=note)
        if hasattr(source, "refresh_needed"):
            provider._task = asyncio.create_task(provider._keep_fresh())
        return provider

    async def refresh(self) -> None:
        """Look now: botocore refreshes if it is due."""
        if self._source is None:
            return
        try:
            found = await _frozen(self._source)
        except Exception as error:
            if not self._failing:
                self._failing = True
                self._note(
                    "warning",
                    "the AWS credentials cannot be refreshed, and calls will fail once they "
                    f"expire: {describe(error)}",
                )
            return
        if self._failing:
            self._failing = False
            self._note("warning", "the AWS credentials can be refreshed again")
        if found != self.current:
            self.current = found

    def refused(self, code: str) -> None:
        """Take note that a service refused the keys with the error ``code``."""
        if (
            code not in REFUSED
            or self._read_again is None
            or hasattr(self._source, "refresh_needed")
        ):
            return
        loop = asyncio.get_running_loop()
        idle = self._reading is None or self._reading.done()
        if idle and loop.time() - self._read_at >= READ_AGAIN_EVERY:
            self._read_at = loop.time()
            self._reading = loop.create_task(self._read(self._read_again))

    async def _read(self, read_again: ReadAgain) -> None:
        try:
            found = await read_again()
            keys = None if found is None else await _frozen(found)
        except Exception:  # the old ones stay, and the service says what is wrong with them
            return
        if keys is None or keys == self.current:
            return
        # The SDK's clients hold the source itself.
        source = self._source
        source.access_key, source.secret_key, source.token = msgspec.structs.astuple(keys)
        self.current = keys
        self._note("info", "the AWS keys were refused, and new ones have been read")

    async def close(self) -> None:
        """Stop looking."""
        for task in (self._task, self._reading):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def __repr__(self) -> str:
        return "CredentialProvider(hidden)"

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._pause())
            await self.refresh()

    def _pause(self) -> float:
        expiry = getattr(self._source, "_expiry_time", None)
        if not isinstance(expiry, dt.datetime):
            return LOOK_EVERY
        left = (expiry - dt.datetime.now(dt.UTC)).total_seconds()
        return min(LOOK_EVERY, max(1.0, left / 4))


def never_prompt(session: Any) -> None:
    """Where there is no terminal, make a profile that asks for a code an error of one sentence."""
    if sys.stdin and sys.stdin.isatty():
        return
    with contextlib.suppress(Exception):  # other versions may call it otherwise
        chain = session.get_component("credential_provider")
        chain.get_provider("assume-role")._prompter = _no_terminal  # noqa: SLF001


def _no_terminal(prompt: str) -> str:
    raise TargetError(f"{NO_TERMINAL} ({prompt.rstrip(': ')})")


async def _frozen(source: Any) -> Credentials:
    found = source.get_frozen_credentials()
    if inspect.isawaitable(found):
        found = await found
    return Credentials(found.access_key, found.secret_key, found.token)
