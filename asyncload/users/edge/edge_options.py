"""What a config says about users of ``kind: edge``."""

from __future__ import annotations

import math
import re
from typing import Final, Literal

import msgspec

from asyncload.plan.duration import Duration
from asyncload.stats.load_stages import DEFAULT_RATE
from asyncload.users.base_url import LOCAL, check_base_url

_SMALLEST, _LARGEST = 32, 4096
_SIZE: Final = re.compile(r"(\d+)\s*[xX×]\s*(\d+)")
_OWN_KEYS: Final = (
    "detector_id",
    "human_review",
    "patience_time",
    "confidence_threshold",
)


class ImageOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An image that is made before the start."""

    size: str | list[int] = "256x256"
    """Width and height, pixels."""
    seed: int = 0
    fresh: bool = False
    """Each request sends an image that was never sent before."""

    def __post_init__(self) -> None:
        width, height = self.pixels
        if not (_SMALLEST <= width <= _LARGEST and _SMALLEST <= height <= _LARGEST):
            raise ValueError(
                f"size is {self.size!r}; give sides of {_SMALLEST} to {_LARGEST} pixels, "
                "such as 256x256"
            )
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; give a whole number of 0 or more")

    @property
    def pixels(self) -> tuple[int, int]:
        """Width and height."""
        if isinstance(self.size, str):
            read = _SIZE.fullmatch(self.size.strip())
            sides = [int(side) for side in read.groups()] if read else []
        else:
            sides = self.size
        if len(sides) != 2:
            raise ValueError(f"size is {self.size!r}; give width and height, such as 256x256")
        return sides[0], sides[1]


class SimulatedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The server of ``local``: it takes workers / service_time requests a second."""

    workers: int = 4
    """Requests worked on at once."""
    service_time: Duration = Duration(0.05)
    """Of each request."""

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 10_000:
            raise ValueError(f"workers is {self.workers}; give a whole number from 1 to 10000")
        if not 0 <= self.service_time < math.inf:
            raise ValueError(
                f"service_time is {self.service_time:g} s; give a duration of 0s or longer"
            )


class EdgeOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ``user`` section of a scenario with ``kind: edge``."""

    endpoint: str
    """``http://host:port``, or ``local``."""
    detectors: list[str]
    """Clients take them round robin."""
    rate: float = DEFAULT_RATE
    """Requests per second of each client, in the closed model."""
    image: str | ImageOptions = ImageOptions()
    """A JPEG file, or what to make."""
    human_review: Literal["NEVER", "DEFAULT", "ALWAYS"] = "NEVER"
    patience_time: Duration | None = None
    """How long the service may take to become confident."""
    confidence_threshold: float | None = None
    query: dict[str, str] = {}
    """Other parameters of the URL."""
    expect_count: int | None = None
    """What ``result.count`` is to be."""
    expect_from_edge: bool = False
    """An answer counts only if the endpoint's own model gave it, not the cloud's."""
    token: str | None = None
    """Of the environment variable GROUNDLIGHT_API_TOKEN if left out."""
    timeout: Duration = Duration(60)
    """For the whole of a request."""
    connect_timeout: Duration = Duration(10)
    local: SimulatedOptions | None = None
    """Only with ``endpoint: local``."""

    def __post_init__(self) -> None:
        check_base_url("endpoint", self.endpoint, simulated="a simulated one")
        if not self.detectors:
            raise ValueError("detectors is empty; give at least one, such as det_2abc")
        for detector in self.detectors:
            if not detector.strip():
                raise ValueError("detectors: one of them is empty; give ids such as det_2abc")
        if not 0 < self.rate < math.inf:
            raise ValueError(f"rate is {self.rate:g}; give a number of requests per second, over 0")
        if isinstance(self.image, str) and not self.image:
            raise ValueError("image is an empty text; name a JPEG file, or leave it out")
        threshold = self.confidence_threshold
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f"confidence_threshold is {threshold:g}; give a share from 0 to 1")
        if self.expect_count is not None and self.expect_count < 0:
            raise ValueError(
                f"expect_count is {self.expect_count}; give a whole number of 0 or more"
            )
        for name in self.query:
            if name in _OWN_KEYS:
                remedy = "detectors" if name == "detector_id" else name
                raise ValueError(f"query: {name} does not belong here; use the key {remedy}")
        if not (self.timeout > 0 and self.connect_timeout > 0):
            raise ValueError("timeout and connect_timeout must be over 0")
        if self.local is not None and self.endpoint != LOCAL:
            raise ValueError(
                "local is about the simulated endpoint; leave it out, or use endpoint: local"
            )

    def parameters(self, detector: str) -> dict[str, str]:
        """Give the parameters of a request's URL, in order."""
        found = {"detector_id": detector, "human_review": self.human_review}
        if self.patience_time is not None:
            found["patience_time"] = f"{self.patience_time:g}"
        if self.confidence_threshold is not None:
            found["confidence_threshold"] = f"{self.confidence_threshold:g}"
        return found | self.query
