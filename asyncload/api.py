"""The run API: from a plan or a config file to a result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from asyncload.config.load import load_config
from asyncload.config.model import AwsConfig, Config
from asyncload.config.redact import redact
from asyncload.engine.header import resolved_plan
from asyncload.errors import ConfigError
from asyncload.load_test import LoadTest
from asyncload.local.settings import LocalSettings
from asyncload.plan.plan import Plan
from asyncload.result import Result


async def run(
    target: Plan | Config | Mapping[str, Any] | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
    csv: str | None = None,
) -> Result:
    """Carry out a plan, a config, or the config file at a path, and return its result.

    A config may also be given as a dict of what a config file holds.
    ``overrides`` are ``KEY=VALUE`` texts for either, as ``--set`` takes them. The other arguments win over what a config says; a plan that
    is given without ``log`` writes none. ``csv`` is how the paths of CSV files
    in Locust's form begin. Raises
    :class:`~asyncload.errors.ConfigError` and
    :class:`~asyncload.errors.TargetError` when the run cannot start; what goes
    wrong later is in the result.
    """
    config = make_config(
        target, overrides=overrides, aws=aws, local=local, thresholds=thresholds, log=log
    )
    return await LoadTest(config, csv=csv).run()


def make_config(
    target: Plan | Config | Mapping[str, Any] | str | Path,
    *,
    overrides: Iterable[str] = (),
    aws: AwsConfig | None = None,
    local: LocalSettings | None = None,
    thresholds: Sequence[str] | None = None,
    log: str | Path | None = None,
) -> Config:
    """Make the config that :func:`run` would carry out. Raises :class:`ConfigError`."""
    if isinstance(target, Plan | Config) and list(overrides):
        raise ConfigError(
            f"overrides are of a config file or dict, and this is a {type(target).__name__}; "
            "make it as it should be"
        )
    if isinstance(target, Plan):
        config = Config(plan=target, log="", resolved=resolved_plan(target))
    elif isinstance(target, Config):
        config = target
    else:
        config = load_config(target, overrides=overrides)
    changes: dict[str, Any] = {"aws": aws, "local": local}
    changes["log"] = None if log is None else str(log)
    changes["thresholds"] = None if thresholds is None else tuple(thresholds)
    given = {name: value for name, value in changes.items() if value is not None}
    shown = redact(msgspec.to_builtins(given, enc_hook=float), secrets=config.secrets)
    return msgspec.structs.replace(config, **given, resolved={**config.resolved, **shown})
