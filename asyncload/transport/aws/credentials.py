"""AWS credentials, kept fresh off the hot path."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import inspect
from typing import Any, Final

import msgspec

from asyncload.errors import ConfigError

LOOK_EVERY: Final = 60.0
"""Seconds between looks at refreshable credentials. botocore refreshes 15 minutes before expiry."""


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
    :attr:`failure` says why in words without secrets.
    """

    def __init__(self, source: Any, current: Credentials) -> None:
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self.current = current
        self.failure: str | None = None

    @classmethod
    def fixed(
        cls, access_key: str, secret_key: str, token: str | None = None
    ) -> CredentialProvider:
        """Return credentials that never change."""
        return cls(None, Credentials(access_key, secret_key, token))

    @classmethod
    async def of(cls, source: Any) -> CredentialProvider:
        """Wrap a botocore or aiobotocore credential object, such as ``session.get_credentials()``.

        Raises:
            ConfigError: ``source`` is None: the chain found no credentials.

        """
        if source is None:
            raise ConfigError(
                "No AWS credentials were found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or a profile with AWS_PROFILE."
            )
        provider = cls(source, await _frozen(source))
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
            self.failure = f"AWS credentials could not be refreshed ({type(error).__name__})"
            return
        self.failure = None
        if found != self.current:
            self.current = found

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

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


async def _frozen(source: Any) -> Credentials:
    found = source.get_frozen_credentials()
    if inspect.isawaitable(found):
        found = await found
    return Credentials(found.access_key, found.secret_key, found.token)
