"""The first line of a log: what was run, when, where and with what."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import platform
from collections.abc import Iterable
from importlib import metadata
from typing import Any, Final

import msgspec

from asyncload.config.model import Config
from asyncload.config.redact import redact
from asyncload.plan.duration import enc_hook
from asyncload.plan.plan import Plan, UserSpec
from asyncload.records.record import SCHEMA, RunHeader

_REPORTED: Final = ("asyncload", "aiobotocore", "anyio", "botocore", "numpy", "uvloop")


def run_header(config: Config, run_id: str) -> RunHeader:
    """Make the header of a run, on the loop that runs it, but for the time of its start.

    It takes milliseconds, so it is made before the clock starts; then :func:`set_start`.
    """
    judged = {
        "warmup": config.warmup,
        "connections": config.connections,
        "validity": msgspec.to_builtins(config.validity, enc_hook=float),
        "inconclusive": config.inconclusive,
    }
    resolved = {**config.resolved, **judged}
    return make_header(run_id, config.plan.name, seed=config.plan.seed, config=resolved)


def make_header(run_id: str, name: str, *, seed: int, config: dict[str, Any]) -> RunHeader:
    """Make a header as :func:`run_header` does; ``config`` is without secrets."""
    return RunHeader(
        schema=SCHEMA,
        run_id=run_id,
        name=name,
        started_at="",
        seed=seed,
        config=config,
        host={
            "name": platform.node(),
            "system": platform.system(),
            "machine": platform.machine(),
            "python": platform.python_version(),
            "loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
        },
        versions=dict(_versions()),
    )


def set_start(header: RunHeader, epoch: float) -> None:
    """Note that the run starts at ``epoch``, seconds on the wall clock."""
    started = dt.datetime.fromtimestamp(epoch, dt.UTC)
    header.started_at = started.isoformat(timespec="milliseconds")


def _versions() -> Iterable[tuple[str, str]]:
    for name in _REPORTED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            yield name, metadata.version(name)


def resolved_plan(plan: Plan) -> dict[str, Any]:
    """Describe a plan made in Python as a config would, without secrets."""
    scenarios = []
    for scenario in plan.scenarios:
        shape = scenario.shape
        load = {
            "model": scenario.model,
            "duration": scenario.end,
            "shape": msgspec.to_builtins(shape, enc_hook=float)
            if isinstance(shape, msgspec.Struct)
            else str(shape),
        }
        if scenario.model == "open":
            load["arrivals"] = scenario.arrivals
            load["max_in_flight"] = scenario.max_in_flight
            load["precise"] = scenario.precise
        scenarios.append({"name": scenario.name, "load": load, "user": _described(scenario.user)})
    cleaned: dict[str, Any] = redact(
        {
            "name": plan.name,
            "seed": plan.seed,
            "drain": enc_hook(plan.drain),
            "scenarios": scenarios,
        }
    )
    return cleaned


def _described(user: Any) -> Any:
    if isinstance(user, UserSpec):
        return dataclasses.asdict(user)
    return f"{user.__module__}:{user.__qualname__}" if isinstance(user, type) else str(user)
