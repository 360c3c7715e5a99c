"""Where the settings of a config's scenarios come from, for a person who wants to see them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from asyncload.config.model import AwsConfig
from asyncload.errors import AsyncloadError, TargetError
from asyncload.transport.aws.session import Aws
from asyncload.transport.error_text import describe
from asyncload.users.settings_source import Setting, SettingsSource
from asyncload.users.user import User


async def describe_settings(
    users: Iterable[tuple[type[User], Any]],
    source: SettingsSource,
    region: Callable[[], Setting],
) -> list[Sequence[Setting]]:
    """Ask each scenario's class, in order; the region stands with those that have settings.

    Raises :class:`ConfigError` and :class:`TargetError` as the run would.
    """
    described: list[Sequence[Setting]] = []
    for index, (kind, options) in enumerate(users):
        found = await _described(kind, options, source, f"scenarios.{index}.user")
        described.append([*found, region()] if found else ())
    return described


async def _described(
    kind: type[User], options: Any, source: SettingsSource, where: str
) -> Sequence[Setting]:
    """Ask one class; what a user's code raises there becomes a sentence."""
    try:
        return await kind.describe_settings(options, source, lambda key: f"{where}.{key}")
    except AsyncloadError:
        raise
    except Exception as problem:
        raise TargetError(
            f"{where}: {kind.__qualname__}.describe_settings fails with {describe(problem)}; "
            "mend that"
        ) from problem


def region_setting(aws: AwsConfig, *, local: str, asked: Aws | None) -> Setting:
    """The region of a run, as it will find it; ``local`` is that of the embedded stack.

    Where neither config nor environment tell, it is in the AWS config file:
    only ``asked`` reads that. Raises :class:`ConfigError` when it has none.
    """
    if aws.region is not None:
        return Setting("region", aws.region, "config")
    if aws.is_local:
        return Setting("region", local, "the embedded stack")
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if os.environ.get(variable):
            return Setting("region", os.environ[variable], variable)
    source = "the AWS config file"
    if asked is None:
        return Setting("region", "", f"{source}, which is read at the start", known=False)
    return Setting("region", asked.region, source)
