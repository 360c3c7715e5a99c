"""The run API: :func:`run` carries out a plan or config and returns its result."""

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
    """Run a load test and return its result.

    ``target`` is a plan, a config, the path of a config file, or a dict with the content of one.
    ``overrides`` (``KEY=VALUE``, as for ``--set``) change a file or dict before it is read; the
    other arguments replace the config's settings. A plan writes a log only if ``log`` is given.
    ``csv`` is the path prefix of CSV files in Locust's format.

    Raises :class:`~asyncload.errors.ConfigError` or :class:`~asyncload.errors.TargetError` when
    the run cannot start. Later problems are in the result.
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
    """Make the config that :func:`run` carries out. Raises :class:`ConfigError`."""
    if isinstance(target, Plan | Config) and list(overrides):
        raise ConfigError(
            f"overrides change a config file or dict, not a {type(target).__name__}; "
            "set the values in the object itself"
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
