"""A draft of a HAR file: recorded traffic, with how often each request was sent as its weight."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from asyncload.drafts.request import DraftRequest, Variables, options_of, scenario
from asyncload.drafts.writing import split_url
from asyncload.errors import ConfigError
from asyncload.records.files import read_errors

_BROWSERS_OWN: Final = ("sec-", "if-none-match", "if-modified-since", "cache-control", "pragma",
                        "dnt", "origin", "referer", "upgrade-insecure-requests")  # fmt: skip
_LEAST_SPAN: Final = 1.0


class _Pair(msgspec.Struct):
    name: str
    value: str = ""


class _PostData(msgspec.Struct):
    mime: str = msgspec.field(name="mimeType", default="")
    text: str | None = None
    encoding: str | None = None


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Pair] = []
    body: _PostData | None = msgspec.field(name="postData", default=None)


class _Entry(msgspec.Struct):
    request: _Request
    started: str | None = msgspec.field(name="startedDateTime", default=None)


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


def draft_of_har(path: Path) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Give a config of the traffic in a HAR file, its secrets by variable, and notes.

    Each host is a scenario, at the rate at which it was asked. Raises :class:`ConfigError`.
    """
    with read_errors(path, ConfigError, f"{path}: cannot be read", remedy="check the path"):
        content = path.read_bytes()
    try:
        har = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_Har)
    except msgspec.DecodeError as problem:
        raise ConfigError(
            f"{path}: is no HAR file ({problem}); save one with a browser's network tools"
        ) from None
    entries = [one for one in har.log.entries if one.request.url.startswith(("http:", "https:"))]
    if not entries:
        raise ConfigError(f"{path}: holds no HTTP requests; record some")
    variables = Variables()
    hosts: dict[str, dict[tuple[str, str, str | None], DraftRequest]] = {}
    for entry in entries:
        base, request = _draft(entry.request)
        known = hosts.setdefault(base, {})
        key = (request.method, request.path, request.body)
        if key in known:
            known[key].weight += 1
        else:
            known[key] = request
    span = _span(entries)
    scenarios = []
    names: Counter[str] = Counter()
    for base, requests in hosts.items():
        name = base.partition("://")[2].partition(":")[0]
        names[name] += 1
        name = name if names[name] == 1 else f"{name}-{names[name]}"
        count = sum(request.weight for request in requests.values())
        rate = round(max(count / span, 0.01), 2)
        load = {"model": "open", "arrivals": "poisson",
                "shape": {"kind": "constant", "rate": rate}, "duration": "30s"}  # fmt: skip
        scenarios.append(
            scenario(name, base, load, [options_of(one, variables) for one in requests.values()])
        )
    notes = [
        (
            f"{len(entries)} requests in {span:.1f} s; "
            "each scenario has the rate at which its host was asked"
        )
    ]
    return {"name": path.stem, "scenarios": scenarios}, variables.values, notes


def _draft(request: _Request) -> tuple[str, DraftRequest]:
    base, path = split_url(request.url.partition("#")[0])
    headers = {
        pair.name: pair.value
        for pair in request.headers
        if not pair.name.lower().startswith(_BROWSERS_OWN)
    }
    draft = DraftRequest(method=request.method.upper(), path=path, headers=headers)
    if request.body is not None and request.body.text and request.body.encoding != "base64":
        draft.body = request.body.text
        if "json" in request.body.mime:
            with contextlib.suppress(msgspec.DecodeError):
                draft.json = msgspec.json.decode(request.body.text)
    return base, draft


def _span(entries: list[_Entry]) -> float:
    """Seconds from the first request to the last."""
    moments = []
    for entry in entries:
        try:
            moments.append(dt.datetime.fromisoformat(entry.started or "").timestamp())
        except ValueError:
            continue
    return max(max(moments) - min(moments), _LEAST_SPAN) if moments else _LEAST_SPAN
