"""A draft of a curl command, as a browser's "Copy as cURL" gives it."""

from __future__ import annotations

import base64
import shlex
from typing import Any, Final
from urllib.parse import quote_plus

import msgspec

from asyncload.drafts.request import DraftRequest, Variables, options_of, scenario
from asyncload.drafts.writing import split_url
from asyncload.errors import ConfigError

_VALUED: Final = {
    "-X": "--request", "-H": "--header", "-d": "--data", "-F": "--form", "-u": "--user",
    "-b": "--cookie", "-A": "--user-agent", "-e": "--referer", "-m": "--max-time", "-E": "--cert",
    "-o": "--output", "-w": "--write-out",
}  # fmt: skip
_DATA: Final = frozenset({"--data", "--data-raw", "--data-ascii", "--data-binary"})
_TAKES_VALUE: Final = frozenset(
    {*_VALUED.values(), *_DATA, "--data-urlencode", "--json", "--url", "--cacert", "--key",
     "--connect-timeout"}
)  # fmt: skip
_FLAGS: Final = {
    "-G": "--get", "-I": "--head", "-k": "--insecure", "-L": "--location", "-s": "--silent",
    "-S": "--show-error", "-v": "--verbose", "-i": "--include", "-f": "--fail", "-g": "--globoff",
    "-N": "--no-buffer", "-#": "--progress-bar",
}  # fmt: skip
_PASSED_OVER: Final = frozenset(
    {*_FLAGS.values(), "--compressed", "--http1.1", "--http2", "--output", "--write-out",
     "--connect-timeout", "--fail-with-body", "--no-progress-meter", "--tcp-nodelay"}
) - {"--get", "--head", "--insecure"}  # fmt: skip


def draft_of_curl(command: str) -> tuple[dict[str, Any], dict[str, str], list[str]]:
    """Give a config that sends what ``command`` sends, its secrets by variable, and notes.

    Raises :class:`ConfigError` for what is no curl command, or has an option that asyncload
    does not know.
    """
    given = _given(command)
    notes: list[str] = []
    if "--location" in given:
        notes.append("curl -L follows redirects; asyncload counts one as a failed request")
    urls = [*given.get("--url", []), *given.get("", [])]
    if len(urls) != 1:
        what = "no URL" if not urls else f"{len(urls)} URLs"
        raise ConfigError(f"the curl command has {what}; give it one")
    base, path = split_url(urls[0])
    headers = dict(map(_header, given.get("--header", [])))
    for option, name in (("--user-agent", "User-Agent"), ("--referer", "Referer"),
                         ("--cookie", "Cookie")):  # fmt: skip
        if option in given:
            headers[name] = given[option][-1]
    if "--user" in given:
        pair = base64.b64encode(given["--user"][-1].encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    request = DraftRequest(method="GET", path=path, headers=headers)
    _add_body(request, given)
    if "--head" in given:
        request.method = "HEAD"
    if "--request" in given:
        request.method = given["--request"][-1].upper()
    user: dict[str, Any] = {}
    if "--max-time" in given:
        user["timeout"] = f"{given['--max-time'][-1]}s"
    tls: dict[str, Any] = {key: given[option][-1] for option, key in (("--cacert", "ca"), ("--cert", "certificate"),
                                                      ("--key", "key")) if option in given}  # fmt: skip
    if "--insecure" in given:
        tls["verify"] = False
    if tls:
        user["tls"] = tls
    variables = Variables()
    load = {"model": "open", "shape": {"kind": "constant", "rate": 10}, "duration": "30s"}
    only = scenario("http", base, load, [options_of(request, variables)], **user)
    return {"name": "http", "scenarios": [only]}, variables.values, notes


def _given(command: str) -> dict[str, list[str]]:
    """Give the options of a command with their values, and the URLs under an empty name."""
    try:
        arguments = shlex.split(command.replace("\\\n", " ").replace("$'", "'"))
    except ValueError as problem:
        raise ConfigError(
            f"the curl command cannot be read ({problem}); copy it whole, in single quotes"
        ) from None
    if arguments[:1] != ["curl"]:
        raise ConfigError(
            f"{' '.join(arguments[:1])!r} is not curl; give a command such as 'curl URL'"
        )
    given: dict[str, list[str]] = {}
    rest = iter(arguments[1:])
    for word in rest:
        if not word.startswith("-") or word == "-":
            given.setdefault("", []).append(word)
            continue
        for name, value in _options(word):
            if name in _TAKES_VALUE:
                found = next(rest, None) if value is None else value
                if found is None:
                    raise ConfigError(f"curl's {name} has no value; give it one")
                given.setdefault(name, []).append(found)
            elif name in _PASSED_OVER or name in _FLAGS.values():
                given.setdefault(name, [])
            else:
                raise ConfigError(f"curl's option {name} is not known to asyncload; leave it out")
    return given


def _options(word: str) -> list[tuple[str, str | None]]:
    """Give the options in one word: ``--json=1``, ``-XPOST`` or ``-sSk``."""
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return [(name, value if equals else None)]
    found: list[tuple[str, str | None]] = []
    for place in range(1, len(word)):
        short = f"-{word[place]}"
        if short in _VALUED:
            found.append((_VALUED[short], word[place + 1 :] or None))
            break
        found.append((_FLAGS.get(short, short), None))
    return found


def _header(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name.strip(), value.strip()


def _add_body(request: DraftRequest, given: dict[str, list[str]]) -> None:
    kinds = {name.lower(): value for name, value in request.headers.items()}
    if "--form" in given:
        request.method = "POST"
        request.multipart = dict(map(_part, given["--form"]))
        return
    if "--json" in given:
        request.method = "POST"
        request.headers.setdefault("Accept", "application/json")
        kinds["content-type"] = request.headers["Content-Type"] = "application/json"
        text = "".join(map(_data, given["--json"]))
    else:
        pieces = [_data(one) for name in sorted(_DATA) for one in given.get(name, [])]
        pieces += [_encoded(one) for one in given.get("--data-urlencode", [])]
        if not pieces:
            return
        text = "&".join(pieces)
    if "--get" in given:
        request.path += ("&" if "?" in request.path else "?") + text
        return
    request.method = "POST"
    request.body = text
    if "json" in kinds.get("content-type", ""):
        try:
            request.json = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return
        request.body = None
    elif "content-type" not in kinds:
        request.headers["Content-Type"] = "application/x-www-form-urlencoded"


def _data(text: str) -> str:
    if text.startswith("@"):
        raise ConfigError(
            f"the curl command sends the file {text[1:]!r}; "
            "draft it without, and write file: in the config"
        )
    return text


def _encoded(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}={quote_plus(value)}" if equals else quote_plus(text)


def _part(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    if value.startswith("@"):
        file, _, kind = value[1:].partition(";type=")
        return name, {"file": file, **({"type": kind} if kind else {})}
    return name, value
