"""The ``monitor`` section of a config: sources that are sampled during a run."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

import msgspec

from asyncload.plan.duration import Duration
from asyncload.transport.error_text import hide_secrets

SHORTEST: Final = 0.1
"""Seconds: no source is asked more often."""
SERIES_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ONE_LINE: Final = re.compile(r"[\t\x20-\x7e\x80-\U0010ffff]*")


class SeriesOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A series of a Prometheus endpoint; values of several that match are added up."""

    series: str
    """Its name there."""
    labels: dict[str, str] = {}
    """Labels it must have; it may have others."""
    rate: bool = False
    """It is a counter, and its growth per second is wanted."""

    def __post_init__(self) -> None:
        if not SERIES_NAME.fullmatch(self.series):
            raise ValueError(
                f"series is {self.series!r}; give the name alone, such as "
                "http_requests_total, and its labels under labels"
            )


class MonitorSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A service or host that tells its own figures over HTTP."""

    url: str | None = None
    """Of JSON as a Groundlight edge endpoint serves at ``/status/resources.json``."""
    prometheus: str | None = None
    """Of a Prometheus endpoint, in the text exposition format."""
    name: str | None = None
    """What it is called in log and graphs; host and port if left out."""
    interval: Duration = Duration(1)
    headers: dict[str, str] = {}
    metrics: dict[str, SeriesOptions] = {}
    """Series beside those of node_exporter and DCGM, by the name they are to have."""

    def __post_init__(self) -> None:
        if (self.url is None) == (self.prometheus is None):
            raise ValueError("give either url or prometheus")
        if problem := url_problem(self.address):
            key = "prometheus" if self.url is None else "url"
            raise ValueError(f"{key} is {hide_secrets(self.address)!r}; {problem}")
        if self.interval < SHORTEST:
            raise ValueError(f"interval is {self.interval:g} s; give a time of 100ms or more")
        if self.metrics and self.prometheus is None:
            raise ValueError("metrics are of a Prometheus endpoint; give prometheus, not url")
        for name, value in self.headers.items():
            if not _TOKEN.fullmatch(name) or not _ONE_LINE.fullmatch(value):
                raise ValueError(
                    f"headers: {name!r} cannot be sent; its name must be one word and its value "
                    "one line"
                )

    @property
    def address(self) -> str:
        """The URL, of either kind."""
        return self.url or self.prometheus or ""

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or urlsplit(self.address).netloc


def url_problem(url: str) -> str:
    """Say what to give in place of ``url``; empty when it can be asked."""
    wanted = "give a URL such as http://localhost:9100/metrics"
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return wanted
    if not good or not url.isprintable() or " " in url:
        return wanted
    if parts.username is not None or parts.password is not None:
        return "leave the user name and password out; a config can send a header with them"
    return ""
