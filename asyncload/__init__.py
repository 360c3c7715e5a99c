"""asyncload: an asyncio-native load generator for machine-learning inference services.

The public names, each imported when it is first used: `asyncload --help` and
``import asyncload`` load next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from asyncload.api import run
    from asyncload.config.load import load_config
    from asyncload.config.model import AwsConfig, Config
    from asyncload.errors import (
        AsyncloadError,
        ConfigError,
        LogError,
        MachineBusyError,
        StoppedError,
        TargetError,
    )
    from asyncload.load_test import LoadTest
    from asyncload.local.settings import LocalSettings
    from asyncload.plan import shapes
    from asyncload.plan.plan import Plan, Scenario, UserSpec
    from asyncload.result import Result
    from asyncload.stats.metrics import Summary
    from asyncload.transport.http.http_errors import (
        ConnectFailed,
        ConnectionClosed,
        ProtocolError,
        RequestTimeout,
        TransportError,
    )
    from asyncload.transport.http.response import Response
    from asyncload.transport.measure import Measurement
    from asyncload.users.user import Setup, User, task
    from asyncload.users.wait import between, constant, pacing, rate

__version__ = "0.1.0"

__all__ = [
    "AsyncloadError",
    "AwsConfig",
    "Config",
    "ConfigError",
    "ConnectFailed",
    "ConnectionClosed",
    "LoadTest",
    "LocalSettings",
    "LogError",
    "MachineBusyError",
    "Measurement",
    "Plan",
    "ProtocolError",
    "RequestTimeout",
    "Response",
    "Result",
    "Scenario",
    "Setup",
    "StoppedError",
    "Summary",
    "TargetError",
    "TransportError",
    "User",
    "UserSpec",
    "__version__",
    "between",
    "constant",
    "load_config",
    "pacing",
    "rate",
    "run",
    "shapes",
    "task",
]

_HOMES: Final = {
    "api": ("run",),
    "load_test": ("LoadTest",),
    "config.load": ("load_config",),
    "config.model": ("AwsConfig", "Config"),
    "errors": (
        "AsyncloadError",
        "ConfigError",
        "LogError",
        "MachineBusyError",
        "StoppedError",
        "TargetError",
    ),
    "local.settings": ("LocalSettings",),
    "plan": ("shapes",),
    "plan.plan": ("Plan", "Scenario", "UserSpec"),
    "result": ("Result",),
    "stats.metrics": ("Summary",),
    "transport.http.http_errors": (
        "ConnectFailed",
        "ConnectionClosed",
        "ProtocolError",
        "RequestTimeout",
        "TransportError",
    ),
    "transport.http.response": ("Response",),
    "transport.measure": ("Measurement",),
    "users.user": ("Setup", "User", "task"),
    "users.wait": ("between", "constant", "pacing", "rate"),
}


if not TYPE_CHECKING:  # which would take every other name for one of any type

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(importlib.import_module(f"asyncload.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
