"""AWS sessions and clients of the SDK backend (aiobotocore).

Clients are made once per service and shared by all users: a client costs a
tenth of a second of CPU to build. Load goes through clients that never
retry, because a load test must see the throttle; set-up calls may retry.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import anyio
import anyio.to_thread

from asyncload.errors import ConfigError, TargetError
from asyncload.transport.aws.credentials import CredentialProvider
from asyncload.transport.error_text import describe, error_code, hide_secrets
from asyncload.transport.http.connector import is_loopback
from asyncload.transport.http.pool import CONNECTIONS
from asyncload.transport.measure import record_calls

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

CONNECT_TIMEOUT: Final = 10
READ_TIMEOUT: Final = 70
"""Seconds; above SQS's longest poll of 20."""
SETUP_TIMEOUT: Final = 10
"""Seconds for an answer to a set-up call, which are all quick."""
SETUP_ATTEMPTS: Final = 3

_BAD_CREDENTIALS: Final = {
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_UNREACHABLE: Final = {
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "EndpointConnectionError",
}


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
        self._endpoints = endpoints or {}
        self._region = region
        self._profile = profile
        self._credentials = credentials
        self._session: AioSession | None = None
        self._clients: dict[tuple[str, str | None, bool], Any] = {}
        self._provider: CredentialProvider | None = None
        self._lock = anyio.Lock()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._clients.clear()
        await self._stack.aclose()

    @property
    def endpoint(self) -> str | None:
        """Where calls go instead of AWS: :attr:`endpoint_url`, else the environment's."""
        return self.endpoint_url or environment_endpoint()

    @property
    def target(self) -> str:
        """Where calls go, in words."""
        return self.target_of("")

    def target_of(self, service: str) -> str:
        """Where calls of ``service`` go, in words."""
        endpoint = self._endpoints.get(service, self.endpoint)
        return hide_secrets(endpoint) if endpoint else f"AWS in {self.region}"

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
            from aiobotocore.session import AioSession
            from botocore.exceptions import ConfigParseError, ProfileNotFound

            # With keys of its own no profile counts, not even a wrong one in AWS_PROFILE.
            unread = {"profile": (None, None, None, None)} if self._credentials else None
            session = AioSession(session_vars=unread, profile=self._profile)
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
        endpoint_url = self._endpoints.get(service, self.endpoint_url)
        endpoint = endpoint_url or self.endpoint
        try:
            config = AioConfig(
                max_pool_connections=self._connections,
                connect_timeout=SETUP_TIMEOUT / 2 if retries else CONNECT_TIMEOUT,
                read_timeout=SETUP_TIMEOUT if retries else READ_TIMEOUT,
                retries={"mode": "standard", "total_max_attempts": attempts},
                # S3 emulators know buckets by path; real S3 takes both.
                s3={"addressing_style": "path"} if endpoint else None,
                # A proxy for the way out of the house does not know this machine.
                proxies={} if is_loopback(urlsplit(endpoint or "").hostname or "") else None,
            )
            await anyio.to_thread.run_sync(_preload_service, self.session, service)
            return await self._stack.enter_async_context(
                self.session.create_client(
                    service,
                    region_name=region,
                    endpoint_url=endpoint_url,
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
        except ValueError as problem:
            raise ConfigError(
                f"aws.endpoint_url: {hide_secrets(str(self.endpoint))!r} is not a URL "
                f"({hide_secrets(str(problem))}); write it like http://localhost:9324"
            ) from None

    async def credentials(self) -> CredentialProvider:
        """Credentials for the fast backend, kept fresh. Raises :class:`ConfigError` without any."""
        if self._provider is None:
            if self._credentials is not None:
                self._provider = CredentialProvider.fixed(*self._credentials)
            else:
                self._provider = await CredentialProvider.of(await self.session.get_credentials())
            self._stack.push_async_callback(self._provider.close)
        return self._provider

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
            raise TargetError(self._sentence(doing, service, problem, remedies)) from None

    def _check_address(self, service: str) -> str:
        if service in self._endpoints:
            return f"check aws.endpoints.{service}"
        if self.endpoint_url:
            return "check aws.endpoint_url"
        return "check AWS_ENDPOINT_URL" if self.endpoint else "check aws.region and the network"

    def _sentence(
        self, doing: str, service: str, problem: Exception, remedies: dict[str, str]
    ) -> str:
        target, check_address = self.target_of(service), self._check_address(service)
        code = (error_code(problem) or type(problem).__name__).rpartition(".")[2]
        if code in remedies:
            return remedies[code]
        if code in {"NoCredentialsError", "PartialCredentialsError"}:
            return (
                "no AWS credentials were found; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or aws.endpoint_url: local for the embedded stack"
            )
        if code in _BAD_CREDENTIALS:
            return (
                f"{target} refused the credentials while {doing} ({code}); "
                "check AWS_PROFILE or the AWS_* variables, and that they have not expired"
            )
        if code.startswith("AccessDenied") or code in {"403", "Forbidden"}:
            return (
                f"access denied by {target} while {doing}; "
                "give these credentials the permission, or use others"
            )
        if code in _UNREACHABLE:
            return (
                f"cannot reach {target} while {doing}; {check_address}, and that the service is up"
            )
        if code in {"ReadTimeoutError", "TimeoutError"}:
            return (
                f"{target} does not answer while {doing}; "
                f"{check_address}, and that the service is up"
            )
        if code.isdigit():  # an HTTP status without one of AWS's error codes
            return f"{target} answered {describe(problem)!r} while {doing}; {check_address}"
        return f"{doing} failed at {target}: {describe(problem)}"


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


def environment_endpoint() -> str | None:
    """Give the endpoint that the environment sets for all services, as botocore reads it."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return os.environ.get("AWS_ENDPOINT_URL") or None
