"""Where calls of a service go, and which setting says so: the config, the environment or a profile."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from asyncload.errors import AsyncloadError, ConfigError
from asyncload.transport.error_text import describe, hide_secrets

if TYPE_CHECKING:
    from botocore.session import Session


class Endpoint(NamedTuple):
    """A URL that calls go to instead of AWS's own."""

    url: str
    source: str
    """The setting that names it: ``aws.endpoint_url``, ``AWS_ENDPOINT_URL_SQS``, …"""

    @property
    def configured(self) -> bool:
        """Whether the config names it, not the environment or a profile."""
        return self.source.startswith("aws.")


class Endpoints:
    """The endpoints of services, by botocore's rules for what the config leaves open.

    ``session`` gives a botocore session; it is asked only where the config names no endpoint.
    """

    def __init__(
        self,
        endpoint_url: str | None,
        endpoints: Mapping[str, str],
        session: Callable[[], Session],
    ) -> None:
        self._endpoint_url = endpoint_url
        self._endpoints = endpoints
        self._session = session
        self._known: dict[str, Endpoint | None] = {}

    @classmethod
    def offline(
        cls, endpoint_url: str | None, endpoints: Mapping[str, str], profile: str | None
    ) -> Endpoints:
        """Those of a config that is only looked at."""

        def session() -> Session:
            from botocore.exceptions import ProfileNotFound
            from botocore.session import Session

            found = Session(profile=profile)
            try:
                found.get_scoped_config()
            except ProfileNotFound:  # that is told when calls are made; the environment counts
                return Session(session_vars={"profile": (None, None, None, None)})
            return found

        return cls(endpoint_url, endpoints, session)

    def of(self, service: str) -> Endpoint | None:
        """Give the endpoint of ``service``; ``None`` is AWS. Raises :class:`ConfigError`."""
        if service not in self._known:
            self._known[service] = self._find(service)
        return self._known[service]

    def shown(self, service: str) -> Endpoint | None:
        """Give the same for a person to see; a mistake is told when calls are made."""
        from botocore.exceptions import BotoCoreError

        try:
            return self.of(service)
        except (AsyncloadError, BotoCoreError):
            return None

    def _find(self, service: str) -> Endpoint | None:
        if service in self._endpoints:
            found = Endpoint(self._endpoints[service], f"aws.endpoints.{service}")
        elif self._endpoint_url:
            found = Endpoint(self._endpoint_url, "aws.endpoint_url")
        elif (elsewhere := _configured(self._session(), service)) is not None:
            found = elsewhere
        else:
            return None
        _check(found)
        return found


def _configured(session: Any, service: str) -> Endpoint | None:
    """Look where botocore does, in its order."""
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.exceptions import InvalidConfigError

    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    scoped = session.get_scoped_config()
    try:
        url = ConfiguredEndpointProvider(session.full_config, scoped, service).provide()
    except InvalidConfigError as problem:
        raise ConfigError(f"the AWS config file is wrong: {describe(problem)}; mend it") from None
    if not url:
        return None
    for name in _variables(service):
        if os.environ.get(name) == url:
            return Endpoint(url, name)
    return Endpoint(url, f"endpoint_url of the profile {session.profile or 'default'!r}")


def _variables(service: str) -> tuple[str, str]:
    from botocore.utils import CLIENT_NAME_TO_HYPHENIZED_SERVICE_ID_OVERRIDES as NAMES

    name = NAMES.get(service, service).replace("-", "_").upper()
    return f"AWS_ENDPOINT_URL_{name}", "AWS_ENDPOINT_URL"


def _check(endpoint: Endpoint) -> None:
    try:
        parts = urlsplit(endpoint.url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        good = False
    if not good:
        raise ConfigError(
            f"{endpoint.source}: {hide_secrets(endpoint.url)!r} is not a URL; "
            "write it like http://localhost:9324"
        )
