"""The plan of a run: its scenarios and their loads, known before it starts."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, get_args

import numpy as np

from asyncload.errors import ConfigError
from asyncload.plan import arrivals as _arrivals
from asyncload.plan.arrays import Array
from asyncload.plan.arrivals import Arrivals
from asyncload.plan.duration import Drain, parse_duration
from asyncload.plan.shapes import Shape, end_of

Model = Literal["open", "closed"]

_MOST_USERS: Final = 1_000_000_000
_MOST_ARRIVALS: Final = 100_000_000  # 800 MB of due times
_DURATION: Final = "a finite number of seconds or a text such as 20s, over 0"


@dataclass(frozen=True, slots=True)
class UserSpec:
    """A kind of user (``kind``, or ``package.module:Class``) and its options."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: str = field(default="", compare=False)
    """Folder of the config file; paths in the options may be relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A load and the kind of user that carries it out.

    After :meth:`split` a scenario is ``part`` (from 0) of ``parts``, and its methods give this
    part's share; the shares add up to the whole exactly.

    Raises :class:`ConfigError` with the scenario and the wrong key.
    """

    name: str
    user: Any
    """A :class:`UserSpec` or a subclass of User; the engine checks it."""
    shape: Shape
    duration: float | None = None
    """Seconds, or a text such as ``"20s"``, which becomes seconds. ``None`` becomes the shape's
    end; :attr:`end` is never ``None``."""
    model: Model = "open"
    arrivals: Arrivals = "even"
    """Open model only."""
    max_in_flight: int = 10_000
    """Limit for the whole scenario; for this part see :attr:`in_flight_limit`."""
    precise: bool = False
    """Open model only: start arrivals to the microsecond, which takes more CPU."""
    iterations: int | None = None
    """Closed model only: the load ends once so many iterations have begun, or at its end."""
    part: int = 0
    parts: int = 1

    if TYPE_CHECKING:  # what it takes is more than what it has

        def __init__(
            self,
            *,
            name: str,
            user: Any,
            shape: Shape,
            duration: float | str | None = None,
            model: Model = "open",
            arrivals: Arrivals = "even",
            max_in_flight: int = 10_000,
            precise: bool = False,
            iterations: int | None = None,
            part: int = 0,
            parts: int = 1,
        ) -> None: ...

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            self._refuse("name", self.name, "a text")
        if not self.name:
            raise ConfigError("a scenario has an empty name; names are how results are told apart")
        if not isinstance(self.shape, Shape):
            self._refuse("shape", self.shape, "an object with the methods level and area")
        if isinstance(self.duration, str):
            object.__setattr__(self, "duration", self._parsed(self.duration))
        if self.duration is None:
            object.__setattr__(self, "duration", end_of(self.shape))
        if self.duration is None:
            raise ConfigError(
                f"scenario {self.name!r}: its shape has no end of its own; give it a duration"
            )
        if not _is_number(self.duration) or self.duration <= 0:
            self._refuse("duration", self.duration, _DURATION)
        if self.model not in get_args(Model):
            self._refuse("model", self.model, "open or closed")
        if self.arrivals not in get_args(Arrivals):
            self._refuse("arrivals", self.arrivals, "even or poisson")
        if not _is_whole(self.max_in_flight) or self.max_in_flight < 1:
            self._refuse("max_in_flight", self.max_in_flight, "a whole number of 1 or more")
        self._check_iterations()
        _check_part(self.part, self.parts)
        self._check_size()

    @property
    def end(self) -> float:
        """End of the load, seconds since the start of the run."""
        assert self.duration is not None  # __post_init__ saw to it
        return self.duration

    @property
    def iteration_limit(self) -> int | None:
        """This part's share of ``iterations``."""
        return None if self.iterations is None else self._share(self.iterations)

    @property
    def in_flight_limit(self) -> int:
        """This part's share of ``max_in_flight``, at least 1."""
        return max(1, self._share(self.max_in_flight))

    def split(self, part: int, parts: int) -> Scenario:
        """Give part ``part`` (from 0) of ``parts`` of this scenario; a part can be split again.

        Item i of the whole (an arrival, a user) belongs to part i mod ``parts``. Raises
        :class:`ConfigError` when there is no such part.
        """
        _check_part(part, parts)
        return dataclasses.replace(
            self, part=self.part + self.parts * part, parts=self.parts * parts
        )

    def due_times(self, seed: int) -> Array:
        """Due times of this part: (n,) float64 seconds, sorted, in [0, end). Open model only.

        A part takes every ``parts``-th due time of the whole, so a split changes no due time.
        """
        self._check_open()
        whole = _arrivals.due_times(
            self.shape,
            self.end,
            arrivals=self.arrivals,
            rng=_arrivals.rng_for(seed, self.name),
        )
        return whole[self.part :: self.parts].copy()

    def expected_arrivals(self) -> float:
        """Give the mean number of arrivals of this part. Open model only."""
        self._check_open()
        return _arrivals.expected_arrivals(self.shape, self.end) / self.parts

    def level_at(self, t: float) -> float:
        """Give this part's level at ``t`` seconds: arrivals per second (open) or users (closed).

        It is 0 before the start and from the end of the load on.
        """
        if self.model == "closed":
            return float(self.users_at(t))
        return self._whole_level_at(t) / self.parts

    def users_at(self, t: float) -> int:
        """Give this part's users at ``t`` seconds; the whole has the level, rounded half up."""
        return self._share(math.floor(self._whole_level_at(t) + 0.5))

    def peak(self, resolution: float) -> float:
        """Give the highest :meth:`level_at`, sampled every ``resolution`` seconds."""
        if not resolution > 0:
            raise ValueError(f"resolution must be over 0, not {resolution!r}")
        times = np.append(np.arange(0.0, self.end, resolution), np.nextafter(self.end, 0.0))
        highest = float(np.max(self.shape.level(times)))
        if self.model == "closed":
            return float(self._share(math.floor(highest + 0.5)))
        return highest / self.parts

    def _whole_level_at(self, t: float) -> float:
        if not 0 <= t < self.end:
            return 0.0
        return float(self.shape.level(np.array([t], dtype=np.float64))[0])

    def _share(self, count: int) -> int:
        """Count the items 0 … count − 1 that belong to this part."""
        return max(0, -((self.part - count) // self.parts))

    def _check_open(self) -> None:
        if self.model != "open":
            raise ValueError(f"scenario {self.name!r} is closed: nothing in it is due beforehand")

    def _check_iterations(self) -> None:
        if self.iterations is None:
            return
        if self.model == "open":
            raise ConfigError(
                f"scenario {self.name!r}: iterations is {self.iterations!r}, and in the open model "
                "rate and duration say how many there are; leave it out, or set model: closed"
            )
        if not _is_whole(self.iterations) or self.iterations < 1:
            self._refuse("iterations", self.iterations, "a whole number of 1 or more")

    def _check_size(self) -> None:
        if self.model == "closed":
            users = float(
                np.max(self.shape.level(np.linspace(0.0, self.end, 1_000, endpoint=False)))
            )
            if not users <= _MOST_USERS:
                raise ConfigError(
                    f"scenario {self.name!r}: its shape has {users:g} users, and a load has at most "
                    f"{_MOST_USERS}; lower the shape's levels"
                )
            return
        expected = _arrivals.expected_arrivals(self.shape, self.end)
        if not 0 <= expected <= _MOST_ARRIVALS:
            raise ConfigError(
                f"scenario {self.name!r}: its shape makes {expected:g} arrivals in "
                f"{self.end:g} s, and a load has at most {_MOST_ARRIVALS}; lower the shape's "
                "levels or the duration"
            )

    def _parsed(self, text: str) -> float:
        try:
            return parse_duration(text)
        except ValueError:
            self._refuse("duration", text, _DURATION)

    def _refuse(self, key: str, value: object, allowed: str) -> NoReturn:
        raise ConfigError(f"scenario {self.name!r}: {key} must be {allowed}, not {value!r}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The scenarios of a run, their seed and their drain.

    ``seed`` is 0 or more; a scenario's random numbers depend on it and the scenario's name.
    ``drain`` is the longest wait after the load for open work, in seconds or as a text such as
    ``"30s"``; ``math.inf`` or ``"unlimited"`` sets no limit. Raises :class:`ConfigError`.
    """

    scenarios: tuple[Scenario, ...]
    seed: int = 0
    drain: float = 30.0
    name: str = "run"

    if TYPE_CHECKING:  # what it takes is more than what it has

        def __init__(
            self,
            scenarios: Iterable[Scenario] | Scenario,
            seed: int = 0,
            drain: float | str = 30.0,
            name: str = "run",
        ) -> None: ...

    def __post_init__(self) -> None:
        alone = isinstance(self.scenarios, Scenario)
        scenarios = (self.scenarios,) if alone else tuple(self.scenarios)
        object.__setattr__(self, "scenarios", scenarios)
        if not self.scenarios:
            raise ConfigError("scenarios is empty; a plan needs at least one scenario")
        name, count = Counter(scenario.name for scenario in self.scenarios).most_common(1)[0]
        if count > 1:
            raise ConfigError(f"{count} scenarios have the name {name!r}; names must differ")
        if not _is_whole(self.seed) or self.seed < 0:
            raise ConfigError(f"seed must be a whole number of 0 or more, not {self.seed!r}")
        if isinstance(self.drain, str):
            with contextlib.suppress(ValueError):
                object.__setattr__(self, "drain", float(Drain(self.drain)))
        if self.drain != math.inf and (not _is_number(self.drain) or self.drain < 0):
            raise ConfigError(
                "drain must be a number of seconds, 0 or more, a text such as 30s, or unlimited, "
                f"not {self.drain!r}"
            )
        if not isinstance(self.name, str):
            raise ConfigError(f"the name of the plan must be a text, not {self.name!r}")
        if not self.name:
            raise ConfigError("the name of the plan is empty; give it one")

    @property
    def end(self) -> float:
        """End of the last load, seconds since the start of the run; the drain follows."""
        return max(scenario.end for scenario in self.scenarios)

    def split(self, part: int, parts: int) -> Plan:
        """Split every scenario: see :meth:`Scenario.split`. The parts add up to this plan exactly."""
        scenarios = tuple(scenario.split(part, parts) for scenario in self.scenarios)
        return dataclasses.replace(self, scenarios=scenarios)


def _check_part(part: int, parts: int) -> None:
    if not (_is_whole(part) and _is_whole(parts) and 0 <= part < parts):
        raise ConfigError(
            f"part {part!r} of {parts!r} does not exist; parts are counted from 0 to parts − 1"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
