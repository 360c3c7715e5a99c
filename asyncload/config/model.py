"""The config file as typed structs. One file is one test."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from asyncload.local.settings import LocalSettings
from asyncload.plan.duration import Duration
from asyncload.plan.plan import Plan
from asyncload.transport.describe import hide_secrets


class AwsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where AWS calls go. Credentials come from botocore's own chain, never from here."""

    endpoint_url: str | None = None
    """``local`` for the embedded stack, a URL for an emulator; left out for AWS."""
    endpoints: dict[str, str] = {}
    """Other endpoints for single services, such as ``sqs: http://localhost:9324``."""
    region: str | None = None
    profile: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether the embedded stack is asked for."""
        return self.endpoint_url == "local"

    def __post_init__(self) -> None:
        url = self.endpoint_url
        if url is not None and url != "local" and not _is_http_url(url):
            raise ValueError(
                f"endpoint_url is {hide_secrets(url)!r}; "
                "give 'local' or a URL such as http://localhost:9324"
            )


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False


class LoadConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much load, and when."""

    shape: dict[str, Any] | str
    model: Literal["open", "closed"] = "open"
    arrivals: Literal["even", "poisson"] = "even"
    duration: Duration | None = None
    max_in_flight: int = 10_000
    precise: bool = False
    """Open model: start arrivals to the microsecond, at the price of CPU."""

    def __post_init__(self) -> None:
        if self.duration is not None and self.duration <= 0:
            raise ValueError("duration is 0; give a time over 0, such as 60s")
        if self.max_in_flight < 1:
            raise ValueError(
                f"max_in_flight is {self.max_in_flight}; give a whole number of 1 or more"
            )


class ScenarioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A load and the kind of user that carries it out."""

    load: LoadConfig
    user: dict[str, Any] | str
    name: str | None = None


class FileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A config file, as it stands."""

    scenarios: list[ScenarioConfig]
    name: str = "run"
    seed: int = 0
    aws: AwsConfig = AwsConfig()
    local: LocalSettings = LocalSettings()
    drain: Duration = Duration(30)
    thresholds: list[str] = []
    log: str = "logs/run.jsonl"

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise ValueError("scenarios is empty; give at least one scenario")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number of 0 or more")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A config, checked: the plan it describes and the settings of the run."""

    plan: Plan
    aws: AwsConfig = AwsConfig()
    local: LocalSettings = LocalSettings()
    thresholds: tuple[str, ...] = ()
    log: str = "logs/run.jsonl"
    resolved: dict[str, Any] = {}
    """The file's content after ``--set`` and the environment, secrets removed."""
    source: str = ""
    """The file itself, for messages."""
    secrets: frozenset[str] = frozenset()
    """Values of secret environment variables in it, to be kept out of messages."""
