"""A file of requests: a JSON list that is a Jinja2 template. Import late: jinja2."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import StrictUndefined, TemplateSyntaxError, UndefinedError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from asyncload.errors import ConfigError
from asyncload.transport.error_text import describe
from asyncload.users.templates.conditions import kind
from asyncload.users.templates.rows import near_names
from asyncload.users.templates.tables import data_errors

RESULT_PLACES: Final = frozenset(
    {"test_results_location", "test_results_bucket", "test_results_prefix"}
)
PLACES: Final = RESULT_PLACES | {"test_imagery_location"}
"""What a template may ask for, beside ``env``."""


class RequestsFile:
    """The file at ``path``, read, with a template that has no mistake in its syntax.

    ``names`` are the names it asks for. Raises :class:`ConfigError` naming ``key``.
    """

    def __init__(self, path: Path, *, key: str) -> None:
        self._file = f"{key}: {str(path)!r}"
        with data_errors(path, key):
            text = path.read_text(encoding="utf-8-sig")
        try:
            environment = ImmutableSandboxedEnvironment(undefined=_Undefined)
            self.names = frozenset(find_undeclared_variables(environment.parse(text)))
            self._template = environment.from_string(text)
        except TemplateSyntaxError as problem:
            reason = str(problem.message).rstrip(".")
            raise ConfigError(
                f"{self._file} is no template at line {problem.lineno}: {reason}; mend it"
            ) from None

    def render(self, places: Mapping[str, str]) -> list[dict[str, Any]]:
        """Fill in ``places`` and the environment, and read the list of requests.

        Raises :class:`ConfigError` for what is undefined, no JSON, no list or empty.
        """
        try:
            text = self._template.render(places, env=_Variables(os.environ))
        except UndefinedError as problem:
            raise ConfigError(f"{self._file}: {problem.message}") from None
        except Exception as problem:  # what a template does is its author's business
            reason = describe(problem).rstrip(".")
            raise ConfigError(
                f"{self._file} cannot be filled in: {reason}; mend the template"
            ) from None
        try:
            requests = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
            raise ConfigError(
                f"{self._file} is not JSON once it is filled in: {_fault(text, problem)}; mend it"
            ) from None
        if not isinstance(requests, list):
            raise ConfigError(
                f"{self._file} holds {kind(requests)}, not a list of requests; "
                "write [{…}, …], also for a single one"
            )
        if not requests:
            raise ConfigError(f"{self._file} is an empty list; put a request into it")
        for index, request in enumerate(requests):
            if not isinstance(request, dict):
                raise ConfigError(
                    f"{self.entry(index)} is {kind(request)}, not an object; "
                    'write {"imageUrls": […], …}'
                )
        return requests

    def entry(self, index: int) -> str:
        """Name an entry of the list, for messages."""
        return f"{self._file}: entry {index}, counted from 0,"


class _Variables(dict[str, str]):
    """The environment, as ``env`` of a template."""


class _Undefined(StrictUndefined):
    """What is not defined is an error that names it, with a remedy."""

    @property
    def _undefined_message(self) -> str:
        name = str(self._undefined_name)
        if self._undefined_hint:  # something the sandbox forbids
            return self._undefined_hint
        if isinstance(self._undefined_obj, _Variables):
            return (
                f"the environment variable {name} is not set; set it, or write "
                f"{{{{ env.{name} | default('…') }}}}"
            )
        if self._undefined_obj is not missing:
            return f"{super()._undefined_message}; mend the template"
        hint = near_names(name, ["env", *sorted(PLACES)])
        if name in os.environ:
            hint = f"a variable of the environment is written {{{{ env.{name} }}}}"
        return f"{name} is not defined; {hint}"


def _fault(text: str, problem: Exception) -> str:
    """Say where ``text`` is no JSON: Python's own parser tells the line."""
    try:
        json.loads(text)
    except json.JSONDecodeError as fault:
        return f"{fault.msg} at line {fault.lineno}, column {fault.colno}"
    except (ValueError, RecursionError):
        pass
    return describe(problem)
