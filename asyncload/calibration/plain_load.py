"""One trial of plain requests: an open rate of them, to a service that answers at once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from asyncload.config.load import config_from
from asyncload.config.model import Config
from asyncload.errors import MachineBusyError
from asyncload.load_test import LoadTest
from asyncload.local.model_server.server import CONSTANT
from asyncload.stats import units
from asyncload.stats.metrics import Distribution
from asyncload.verdict.verdict import Code, Reason, Verdict

DRAIN: Final = 2.0
"""Seconds that requests have at the end; they take milliseconds."""
_OF_GENERATOR: Final[frozenset[Code]] = frozenset(
    {"generator_late", "generator_busy", "loop_blocked"}
)
_LATE: Final = 0.05  # seconds of lateness (p99) that no second try would mend


class TrialSpec(NamedTuple):
    """How long a trial lasts, seconds."""

    duration: float
    """Of what is looked at."""
    warmup: float
    """Before that: connections are opened, code is run for the first time."""


class PlainTrial(NamedTuple):
    """How a trial came out."""

    rate: float
    reasons: tuple[Reason, ...]
    """Why it was not valid; none if it was."""
    lateness: Distribution

    @property
    def valid(self) -> bool:
        """Whether its numbers can be relied on."""
        return not self.reasons

    @property
    def close(self) -> bool:
        """Whether another try may well be valid."""
        late = self.lateness.p99
        return late is not None and late <= _LATE

    @property
    def by_generator(self) -> bool:
        """Whether it was the generator that came to its limit, and not the service."""
        return any(reason.code in _OF_GENERATOR for reason in self.reasons)

    @property
    def sentence(self) -> str:
        """Say what was wrong first of all."""
        return self.reasons[0].text if self.reasons else ""


async def run_plain(url: str, rate: float, spec: TrialSpec, *, seed: int) -> PlainTrial:
    """Send plain requests to the service at ``url``, everything recorded, log included."""
    with tempfile.TemporaryDirectory(prefix="asyncload-calibrate-") as folder:
        user = {
            "kind": "http",
            "base_url": url,
            "requests": [{"name": "constant", "path": CONSTANT.decode()}],
        }
        scenario = open_scenario("plain", rate, spec.duration + spec.warmup, user)
        config = make_config([scenario], Path(folder), warmup=spec.warmup, seed=seed)
        test = LoadTest(config)
        result = await test.run()
    reasons = invalid(result.verdict)
    if not reasons:
        reasons = _busy_for_short(test, config.validity.cpu, spec)
    return PlainTrial(rate, reasons, result.summary.requests.lateness)


def _busy_for_short(test: LoadTest, limit: float, spec: TrialSpec) -> tuple[Reason, ...]:
    """Say whether the process had no time left: the verdict wants five seconds to say so."""
    end = spec.warmup + spec.duration
    used = test.stats.fold.timeline.generator.figure("cpu", spec.warmup, end)
    if not len(used) or used.mean() < 100 * limit:
        return ()
    mean = float(used.mean())
    text = f"the generator was busy: its process used {mean:.0f} % of a core"
    return (Reason("generator_busy", text, "ask for a lower rate", {"cpu": mean / 100}),)


def busy(rate: float, reason: str) -> MachineBusyError:
    """Make the error of a machine that does not even drive ``rate``."""
    return MachineBusyError(
        f"this machine is too busy to be calibrated: at only {units.rate(rate)} {reason}; end what "
        "else is running, and try again (nothing was saved)"
    )


def open_scenario(name: str, rate: float, duration: float, user: dict[str, Any]) -> dict[str, Any]:
    """Describe Poisson arrivals at a constant rate, as a config would."""
    load = {
        "model": "open",
        "arrivals": "poisson",
        "shape": {"kind": "constant", "level": rate},
        "duration": duration,
    }
    return {"name": name, "load": load, "user": user}


def make_config(
    scenarios: Sequence[dict[str, Any]],
    folder: Path,
    *,
    warmup: float = 0.0,
    seed: int,
    **sections: Any,
) -> Config:
    """Make the config of a run whose log is in ``folder``."""
    return config_from(
        {
            "name": "calibrate",
            "seed": seed,
            "drain": DRAIN,
            "warmup": warmup,
            "log": str(folder / "run.jsonl"),
            "scenarios": list(scenarios),
            **sections,
        }
    )


def invalid(verdict: Verdict) -> tuple[Reason, ...]:
    """Give what keeps a trial from being valid.

    A latency that has not settled is none of it: a trial is too short to tell. Work that piles
    up is.
    """
    return tuple(
        reason
        for reason in verdict.reasons
        if reason.weight != "inconclusive" or "growth" in reason.evidence
    )
