"""Finds the user class that a scenario names."""

from __future__ import annotations

import difflib
import importlib
import traceback
from pathlib import Path
from types import MappingProxyType
from typing import Final

from asyncload.errors import ConfigError
from asyncload.transport.error_text import describe
from asyncload.users.user import User

KINDS: Final = MappingProxyType(
    {
        "edge": "asyncload.users.edge.edge_user:EdgeUser",
        "http": "asyncload.users.http.http_user:HttpUser",
        "model_runner": "asyncload.users.model_runner.submit:ModelRunnerUser",
        "model_runner_predefined": "asyncload.users.model_runner.predefined:PredefinedUser",
        "model_runner_random": "asyncload.users.model_runner.random_jobs:RandomUser",
        "sagemaker": "asyncload.users.sagemaker.realtime:SageMakerUser",
        "sagemaker_async": "asyncload.users.sagemaker.asynchronous:AsyncInferenceUser",
    }
)
"""The kinds of user in a config; a class is imported when it is used."""


def user_class(kind: str | type[User], *, where: str) -> type[User]:
    """Find the class of ``kind``: a registered kind, ``package.module:Class``, or a class itself.

    ``where`` is the config key, for messages. Raises :class:`ConfigError`.
    """
    if isinstance(kind, type):
        return _checked(kind, kind.__qualname__, where)
    path = KINDS.get(kind, kind)
    module_name, colon, class_name = path.partition(":")
    if not colon:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the kinds are: {', '.join(KINDS)}."
        raise ConfigError(
            f"{where}: {kind!r} is not a kind of user; {hint} "
            "A class of your own is written package.module:Class"
        )
    if not module_name or not class_name or module_name.startswith("."):
        raise ConfigError(f"{where}: {kind!r} names no class; write package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        missing = problem.name or module_name
        because = "" if missing == module_name else f": it needs {missing!r}, which is not there"
        raise ConfigError(
            f"{where}: cannot import {module_name!r}{because}; put the module beside the "
            "config file or on PYTHONPATH"
        ) from None
    except Exception as problem:  # whatever a user's module does when it is imported
        raise ConfigError(
            f"{where}: importing {module_name!r} fails with {describe(problem)}{_line(problem)}; "
            "mend the module"
        ) from problem
    found = getattr(module, class_name, None)
    if found is None:
        near = difflib.get_close_matches(class_name, dir(module), n=1)
        hint = f"did you mean {near[0]!r}?" if near else "check its name"
        raise ConfigError(f"{where}: {module_name!r} has no class {class_name!r}; {hint}")
    return _checked(found, path, where)


def _line(problem: Exception) -> str:
    """Give the file and line that raised; empty for a syntax error, whose message has them."""
    frames = traceback.extract_tb(problem.__traceback__)
    if isinstance(problem, SyntaxError) or not frames:
        return ""  # its message says where
    return f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}"


def _checked(found: object, path: str, where: str) -> type[User]:
    if not (isinstance(found, type) and issubclass(found, User)):
        raise ConfigError(
            f"{where}: {path!r} is not a subclass of asyncload.User; derive it from that"
        )
    if not found.tasks:
        raise ConfigError(f"{where}: {path!r} has no tasks; mark a coroutine method with @task()")
    return found
