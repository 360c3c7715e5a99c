"""AWS sessions and clients of the SDK backend (aiobotocore).

Clients are made once per service and shared by all users: a client costs a
tenth of a second of CPU to build. Load goes through clients that never
retry, because a load test must see the throttle; set-up calls may retry.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from asyncload.errors import AsyncloadError, ConfigError, TargetError
from asyncload.transport.aws.clock_skew import ClockSkew
from asyncload.transport.aws.credentials import (
    CredentialProvider,
    Note,
    never_prompt,
    unheard,
)
from asyncload.transport.aws.endpoints import Endpoints
from asyncload.transport.aws.set_up_errors import (
    NO_CREDENTIALS,
    Where,
    credentials_error,
    sentence,
)
from asyncload.transport.error_text import describe, hide_secrets
from asyncload.transport.http.connector import is_loopback
from asyncload.transport.http.pool import CONNECTIONS
from asyncload.transport.http.tls import TlsSettings
from asyncload.transport.measure import record_calls

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

CONNECT_TIMEOUT: Final = 10
READ_TIMEOUT: Final = 70
"""Seconds; above SQS's longest poll of 20."""
SETUP_TIMEOUT: Final = 10
"""Seconds for an answer to a set-up call, which are all quick."""
SETUP_ATTEMPTS: Final = 3


class Aws:
    """One set of credentials, region and endpoint, and the clients made from it.

    ``endpoint_url`` ``None`` means AWS itself. ``credentials`` are an access
    key and a secret key; ``None`` leaves it to botocore's own chain.
    ``endpoints`` are other endpoints for single services.
    Use as an async context manager; it closes its clients.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        credentials: tuple[str, str] | None = None,
        endpoints: Mapping[str, str] | None = None,
        connections: int = CONNECTIONS,
    ) -> None:
        # botocore's default of 10 connections would quietly cap the load.
        self._connections = connections
        self.endpoint_url = endpoint_url
        self.endpoints = Endpoints(endpoint_url, endpoints or {}, lambda: self.session)
        self.note: Note = unheard
        """Is told, with its level, what a person should know of credentials and endpoints."""
        self.clock = ClockSkew(lambda *what: self.note(*what))  # noqa: PLW0108 - it is set later
        self._region = region
        self._profile = profile
        self._credentials = credentials
        self._session: AioSession | None = None
        self._clients: dict[tuple[str, str | None, bool], Any] = {}
        self._tls: TlsSettings | None = None
        self._provider: CredentialProvider | None = None
        self._looked_for_keys = False
        self._lock = anyio.Lock()
        self._keys_lock = anyio.Lock()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._clients.clear()
        await self._stack.aclose()

    def target_of(self, service: str) -> str:
        """Where calls of ``service`` go, in words."""
        endpoint = self.endpoints.shown(service)
        return hide_secrets(endpoint.url) if endpoint else f"AWS in {self.region}"

    @property
    def tls(self) -> TlsSettings | None:
        """The CAs to trust instead of the system's, where AWS_CA_BUNDLE or a profile names a file.

        Raises :class:`ConfigError` when it cannot be read.
        """
        path = self.session.get_config_variable("ca_bundle")
        path = path or os.environ.get("REQUESTS_CA_BUNDLE")  # as botocore itself
        if not path:
            return None
        if self._tls is None:
            self._tls = TlsSettings(verify=str(path))
            try:
                self._tls.context()
            except ConfigError as problem:
                self._tls = None
                raise ConfigError(
                    f"AWS_CA_BUNDLE, or ca_bundle of the profile: {problem}"
                ) from None
        return self._tls

    @property
    def region(self) -> str:
        """The region: the config's, else the environment's or profile's.

        Raises :class:`ConfigError` when there is none.
        """
        # botocore itself knows AWS_DEFAULT_REGION only.
        region = self._region or os.environ.get("AWS_REGION")
        region = region or self.session.get_config_variable("region")
        if not region:
            raise ConfigError(
                "aws.region: no region is set; set aws.region in the config or AWS_REGION"
            )
        return str(region)

    @property
    def session(self) -> AioSession:
        """The aiobotocore session. Raises :class:`ConfigError` for an unknown profile."""
        if self._session is None:
            from botocore.exceptions import ConfigParseError, ProfileNotFound

            session = self._new_session()
            try:
                session.get_scoped_config()
            except ProfileNotFound:
                where = "aws.profile" if self._profile else "AWS_PROFILE"
                raise ConfigError(
                    f"{where}: the profile {session.profile!r} is not in the AWS config files; "
                    "name one that is, or leave it out"
                ) from None
            except ConfigParseError as problem:
                raise ConfigError(
                    f"the AWS config file {problem.kwargs.get('path')} cannot be read; mend it"
                ) from None
            self._session = session
        return self._session

    def _new_session(self) -> AioSession:
        from aiobotocore.session import AioSession

        # What goes wrong is told in our own words; without a handler, Python prints tracebacks.
        log = logging.getLogger("aiobotocore")
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        # With keys of its own no profile counts, not even a wrong one in AWS_PROFILE.
        unread = {"profile": (None, None, None, None)} if self._credentials else None
        return AioSession(session_vars=unread, profile=self._profile)

    def ready_client(self, service: str, region: str | None = None) -> Any:
        """Give the shared client for load if it has been made, else ``None``."""
        return self._clients.get((service, region, False))

    async def client(
        self, service: str, *, region: str | None = None, retries: bool = False
    ) -> Any:
        """Give the shared client of ``service``; ``retries`` is for set-up calls, never for load."""
        key = (service, region, retries)
        client = self._clients.get(key)
        if client is None:
            async with self._lock:
                client = self._clients.get(key)
                if client is None:
                    client = await self._make(service, region, retries=retries)
                    if not retries:
                        record_calls(client, service)
                    self._clients[key] = client
        return client

    async def _make(self, service: str, region: str | None, *, retries: bool) -> Any:
        # On the loop this would stop everything for 0.2 s.
        await anyio.to_thread.run_sync(_preload)
        from aiobotocore.config import AioConfig
        from botocore.exceptions import InvalidRegionError, UnknownServiceError

        key, secret = self._credentials or (None, None)
        region = region or self.region
        attempts = SETUP_ATTEMPTS if retries else 1
        endpoint = self.endpoints.of(service)
        url = None if endpoint is None else endpoint.url
        tls = None if url and url.startswith("http:") else self.tls
        if not self._credentials:
            await self._load_provider()  # here it is told in one sentence what is wrong with them
        try:
            config = AioConfig(
                max_pool_connections=self._connections,
                connect_timeout=SETUP_TIMEOUT / 2 if retries else CONNECT_TIMEOUT,
                read_timeout=SETUP_TIMEOUT if retries else READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": attempts},
                # S3 emulators know buckets by path; real S3 takes both.
                s3={"addressing_style": "path"} if url else None,
                # A proxy for the way out of the house does not know this machine.
                proxies={} if is_loopback(urlsplit(url or "").hostname or "") else None,
            )
            await anyio.to_thread.run_sync(_preload_service, self.session, service)
            client = await self._stack.enter_async_context(
                self.session.create_client(
                    service,
                    region_name=region,
                    endpoint_url=url,
                    verify=None if tls is None else tls.verify,
                    aws_access_key_id=key,
                    aws_secret_access_key=secret,
                    config=config,
                )
            )
        except UnknownServiceError:
            raise ConfigError(
                f"{service!r} is not an AWS service that botocore knows; "
                "use a name such as 'sqs' or 's3'"
            ) from None
        except InvalidRegionError:
            raise ConfigError(
                f"aws.region: {region!r} is not a region; write it like us-west-2"
            ) from None
        known = {name for name, *_ in self._clients}
        if endpoint is not None and not endpoint.configured and service not in known:
            where = hide_secrets(endpoint.url)
            self.note("info", f"calls of {service} go to {where}, by {endpoint.source}")
        if service == "s3" and os.environ.get("AWS_REQUEST_PAYER", "").lower() == "requester":
            client.meta.events.register("before-call", _pay)
        client.meta.events.register("after-call", self._look_at_answer)
        self.clock.watch(client, retry=retries)
        return client

    async def credentials(self) -> CredentialProvider:
        """Credentials for the fast backend, kept fresh.

        Raises :class:`ConfigError` without any, and :class:`TargetError` when those that are
        configured cannot be had.
        """
        provider = await self._load_provider()
        if provider is None:
            raise ConfigError(NO_CREDENTIALS)
        return provider

    async def _load_provider(self) -> CredentialProvider | None:
        async with self._keys_lock:
            if not self._looked_for_keys:
                self._provider = await self._new_provider()
                if self._provider is not None:
                    self._stack.push_async_callback(self._provider.close)
                self._looked_for_keys = True
        return self._provider

    async def _new_provider(self) -> CredentialProvider | None:
        if self._credentials is not None:
            return CredentialProvider.fixed(*self._credentials)
        await anyio.to_thread.run_sync(_preload)
        try:
            source = await self._source(self.session)
            if source is None:
                return None
            return await CredentialProvider.of(
                source, read_again=lambda: self._source(self._new_session()), note=self.note
            )
        except AsyncloadError:
            raise
        except Exception as problem:  # files, processes and services of any kind are asked
            raise credentials_error(problem) from None

    async def _source(self, session: AioSession) -> Any:
        """Find the source of credentials, by botocore's chain."""
        never_prompt(session)
        return await session.get_credentials()

    def _look_at_answer(self, parsed: Any, **_: Any) -> None:
        """Learn from an answer to the SDK backend that keys have expired."""
        if self._provider is not None and isinstance(parsed, dict) and "Error" in parsed:
            self._provider.refused(str(parsed["Error"].get("Code", "")))

    async def account(self) -> str:
        """Ask STS for the account id. Raises :class:`TargetError`."""
        async with self.explained("asking STS for the account id", service="sts"):
            sts = await self.client("sts", retries=True)
            return str((await sts.get_caller_identity())["Account"])

    @contextlib.asynccontextmanager
    async def explained(
        self, doing: str, *, service: str = "", **remedies: str
    ) -> AsyncIterator[None]:
        """Turn what botocore raises inside into one :class:`TargetError` sentence.

        ``service`` is the one that is called, which may have an endpoint of
        its own. ``remedies`` maps error codes to sentences of their own (the
        code's last dotted part, such as ``QueueDoesNotExist``).
        """
        try:
            yield
        except Exception as problem:
            from botocore.exceptions import BotoCoreError, ClientError
            from botocore.parsers import ResponseParserError

            if isinstance(problem, KeyError | ResponseParserError):
                raise TargetError(
                    f"{self.target_of(service)} does not answer like AWS while {doing} "
                    f"({describe(problem)}); {self._check_address(service)}"
                ) from None
            if not isinstance(problem, BotoCoreError | ClientError | OSError):
                raise
            where = Where(self.target_of(service), self._check_address(service), service)
            raise TargetError(sentence(doing, where, problem, remedies)) from None

    def _check_address(self, service: str) -> str:
        endpoint = self.endpoints.shown(service)
        return f"check {endpoint.source}" if endpoint else "check aws.region and the network"


def _pay(params: Any, **_: Any) -> None:
    """Say that we pay, to a bucket whose requester does."""
    params["headers"]["x-amz-request-payer"] = "requester"


def _preload() -> None:
    """Import what a client is made of."""
    import aiobotocore.config
    import aiobotocore.session  # noqa: F401


def _preload_service(session: AioSession, service: str) -> None:
    """Read what botocore knows of a service, which it keeps."""
    loader = session.get_component("data_loader")
    for kind in ("service-2", "endpoint-rule-set-1"):
        with contextlib.suppress(Exception):  # what is wrong is told when the client is made
            loader.load_service_model(service, kind)
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        with contextlib.suppress(Exception):
            loader.load_data(name)
