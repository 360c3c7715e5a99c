"""One HTTP request as a draft knows it, and the config of several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from asyncload.config.redact import is_secret_name

_LEFT_OUT: Final = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "keep-alive",
     "te", "upgrade", "priority"}
)  # fmt: skip
"""Headers that the client writes itself, or that are about one connection."""
_WORD: Final = re.compile(r"\W+")
_PARAMETER: Final = re.compile(
    r"(?P<before>[?&]|^)(?P<name>[\w.~-]+)=(?P<value>[^&#\s{}]+)(?=&|#|$)"
)
_PASSWORD: Final = re.compile(r"(://[^/?#:@]*:)([^/?#@${}]+)(@)")
_SCHEMES: Final = frozenset({"basic", "bearer", "token"})


class DraftRequest(msgspec.Struct, kw_only=True):
    """A request: literal texts, in which nothing is a template."""

    method: str
    path: str
    """With its query."""
    headers: dict[str, str] = {}
    body: str | None = None
    json: Any = msgspec.UNSET
    multipart: dict[str, Any] | None = None
    weight: int = 1


class Variables:
    """Environment variables that stand in a config in place of secrets."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        """The secrets by the variables' names."""

    def place(self, name: str, value: str) -> str:
        """Give ``${NAME}`` for a secret called ``name``; the same for the same value."""
        base = _WORD.sub("_", name).strip("_").upper() or "SECRET"
        number = 1
        variable = base
        while self.values.setdefault(variable, value) != value:
            number += 1
            variable = f"{base}_{number}"
        return f"${{{variable}}}"

    def header(self, name: str, value: str) -> str:
        """Give the value of a header; the scheme of a credential stays."""
        if not is_secret_name(name):
            return literal(value)
        if "${" in value:
            return value
        scheme, space, rest = value.partition(" ")
        if space and scheme.lower() in _SCHEMES:
            return f"{scheme} {self.place(name, rest)}"
        return self.place(name, value)

    def parameters(self, text: str) -> str:
        """Copy the path or form ``text``, which is a literal, with places in place of its secrets."""

        def put(found: re.Match[str]) -> str:
            name, value = found["name"], found["value"]
            is_shown = not is_secret_name(name) or value.startswith("$")
            return found[0] if is_shown else f"{found['before']}{name}={self.place(name, value)}"

        return _PARAMETER.sub(put, text)

    def user_info(self, url: str) -> str:
        """Copy ``url`` with a place in place of its password."""
        return _PASSWORD.sub(
            lambda found: f"{found[1]}{self.place('password', found[2])}{found[3]}", url
        )

    def within(self, value: Any, key: str = "") -> Any:
        """Copy JSON with places in place of its secrets, and its texts as literals."""
        if isinstance(value, Mapping):
            return {name: self.within(inner, str(name)) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.within(inner, key) for inner in value]
        if isinstance(value, str):
            return self.place(key, value) if is_secret_name(key) else literal(value)
        return value


def literal(text: str) -> str:
    """Write ``text`` so that a config takes nothing in it for a template or a variable."""
    text = re.sub(r"\{[{%#]", lambda match: f"{{{{ '{match[0]}' }}}}", text)
    return text.replace("${", "$${")


def options_of(request: DraftRequest, variables: Variables) -> dict[str, Any]:
    """Give a request as ``kind: http`` takes it."""
    options: dict[str, Any] = {}
    if request.method != "GET":
        options["method"] = request.method
    options["path"] = variables.parameters(literal(request.path))
    headers = {
        name: variables.header(name, value)
        for name, value in request.headers.items()
        if name.lower() not in _LEFT_OUT and not name.startswith(":")
    }
    if request.json is not msgspec.UNSET:
        headers = {
            name: value
            for name, value in headers.items()
            if name.lower() != "content-type" or value != "application/json"
        }
        options["json"] = variables.within(request.json)
    elif request.body is not None:
        options["body"] = variables.parameters(literal(request.body))
    elif request.multipart is not None:
        options["multipart"] = request.multipart
    if headers:
        options["headers"] = headers
    if request.weight != 1:
        options["weight"] = request.weight
    return options


def shared_headers(requests: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Take the headers that all requests have out of them, and give them."""
    if len(requests) < 2:
        return {}
    first = requests[0].get("headers", {})
    shared = {
        name: value
        for name, value in first.items()
        if all(one.get("headers", {}).get(name) == value for one in requests)
    }
    for one in requests:
        rest = {name: v for name, v in one.get("headers", {}).items() if name not in shared}
        one.pop("headers", None)
        if rest:
            one["headers"] = rest
    return shared


def scenario(
    name: str,
    base_url: str,
    load: Mapping[str, Any],
    requests: Iterable[dict[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """Give a scenario of ``kind: http``."""
    listed = list(requests)
    headers = shared_headers(listed)
    user: dict[str, Any] = {"kind": "http", "base_url": base_url}
    if headers:
        user["headers"] = headers
    return {"name": name, "load": dict(load), "user": {**user, **more, "requests": listed}}
