"""The config file as typed structs."""

from __future__ import annotations

import math
import re
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from asyncload.config.prices import Prices
from asyncload.config.validity import Validity
from asyncload.local.settings import LocalSettings
from asyncload.monitor.settings import MonitorSource
from asyncload.plan.checked import Checked
from asyncload.plan.duration import Drain, Duration
from asyncload.plan.plan import Plan
from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.pool import CONNECTIONS


class AwsConfig(
    msgspec.Struct, metaclass=Checked, frozen=True, forbid_unknown_fields=True, kw_only=True
):
    """The endpoints of AWS calls. Credentials come from botocore's default chain only."""

    endpoint_url: str | None = None
    """``local`` for the embedded stack, a URL for an emulator, ``None`` for AWS."""
    endpoints: dict[str, str] = {}
    """Endpoint URLs by service, such as ``sqs: http://localhost:9324``."""
    region: str | None = None
    profile: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether calls go to the embedded stack."""
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
    duration: Duration | None = None
    # Of the open model only; what is left out is as :class:`~asyncload.plan.plan.Scenario` says.
    arrivals: Literal["even", "poisson"] | None = None
    max_in_flight: int | None = None
    precise: bool = False
    # Of the closed model only.
    iterations: int | None = None
    """The load ends once so many have begun."""

    def __post_init__(self) -> None:
        if self.duration is not None and self.duration <= 0:
            raise ValueError("duration is 0; give a time over 0, such as 60s")
        if self.model == "closed" and self.of_open:
            key, value = next(iter(self.of_open.items()))
            raise ValueError(
                f"{key} is {value!r}, and nothing is due beforehand in the closed model; "
                f"leave {key} out, or set model: open"
            )
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise ValueError(
                f"max_in_flight is {self.max_in_flight}; give a whole number of 1 or more"
            )

    @property
    def of_open(self) -> dict[str, Any]:
        """The settings that only the open model has."""
        settings = {
            "arrivals": self.arrivals,
            "max_in_flight": self.max_in_flight,
            "precise": self.precise or None,
        }
        return {key: value for key, value in settings.items() if value is not None}


class ScenarioConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A load and the kind of user that carries it out."""

    load: LoadConfig
    user: dict[str, Any] | str
    name: str | None = None


class ThresholdOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A threshold that may end the load; a text alone is its ``threshold``."""

    threshold: str
    abort: bool = False
    """The load ends when it has failed."""
    delay: Duration = Duration(0)
    """From the start, in which it is not looked at for that."""

    def __post_init__(self) -> None:
        if self.delay and not self.abort:
            raise ValueError("delay says from when on a threshold may abort; set abort: true")


_MODE: Final = re.compile("0?[67][0-7]{2}")


class FileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of a config file."""

    scenarios: list[ScenarioConfig]
    name: str = "run"
    seed: int = 0
    aws: AwsConfig = AwsConfig()
    local: LocalSettings = LocalSettings()
    drain: Drain = Drain(30)
    stats_interval: Duration = Duration(30)
    """Time between two rewrites of the job files, and between two reports without a live view."""
    thresholds: list[str | ThresholdOptions] = []
    warmup: Duration = Duration(0)
    """From the start: what was due in it is recorded, and left out of the figures."""
    connections: int = CONNECTIONS
    """Most connections to one target."""
    probe: bool = True
    """Each target is connected to once before the load; one that cannot be reached ends the run."""
    validity: Validity = Validity()
    """Limits beyond which a run proves nothing."""
    inconclusive: Literal["fail", "pass"] = "fail"
    """What a run comes to that proves neither that its thresholds hold nor that they fail."""
    log: str = "logs/run.jsonl"
    log_mode: str = "0600"
    """Who may read the log, as for chmod."""
    prices: Prices = Prices()
    max_requests: int | None = None
    """The load ends after this many requests of users."""
    max_cost: float | None = None
    """The load ends when its requests have cost this much, in the currency of ``prices``."""
    monitor: list[MonitorSource] = []
    """Hosts and metrics sampled during the run, besides the generator's own host."""

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise ValueError("scenarios is empty; give at least one scenario")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number of 0 or more")
        if _MODE.fullmatch(self.log_mode) is None:
            raise ValueError(
                f"log_mode is {self.log_mode!r}; give what chmod takes, in quotes, with which its "
                'owner can read and write it, such as "0600" or "0640"'
            )
        if self.stats_interval <= 0:
            raise ValueError("stats_interval is 0; give a time over 0, such as 30s")
        if self.max_requests is not None and self.max_requests < 1:
            raise ValueError(
                f"max_requests is {self.max_requests}; give a whole number of 1 or more"
            )
        if self.max_cost is not None and not 0 < self.max_cost < math.inf:
            raise ValueError(f"max_cost is {self.max_cost}; give an amount of money over 0")
        if self.connections < 1:
            raise ValueError(f"connections is {self.connections}; give a whole number of 1 or more")
        labels = [source.label for source in self.monitor]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"monitor: two sources are called {label!r}; give each a name")


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A checked config: a plan and the settings of its run."""

    plan: Plan
    aws: AwsConfig = AwsConfig()
    local: LocalSettings = LocalSettings()
    thresholds: tuple[str | ThresholdOptions, ...] = ()
    warmup: float = 0.0
    """Seconds."""
    connections: int = CONNECTIONS
    probe: bool = True
    validity: Validity = Validity()
    inconclusive: Literal["fail", "pass"] = "fail"
    log: str = "logs/run.jsonl"
    log_mode: str = "0600"
    stats_interval: float = 30.0
    """Seconds between two rewrites of the job files."""
    prices: Prices = Prices()
    max_requests: int | None = None
    max_cost: float | None = None
    monitor: tuple[MonitorSource, ...] = ()
    resolved: dict[str, Any] = {}
    """The file's content after ``--set`` and the environment, secrets removed."""
    source: str = ""
    """Name of the config file, for messages."""
    secrets: frozenset[str] = frozenset()
    """Values of secret environment variables, hidden in messages."""
