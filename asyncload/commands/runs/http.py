"""``asyncload http URL``: a load test of one URL, without a config file."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from asyncload.commands.runs.exports import Exports
from asyncload.commands.runs.run import run_command
from asyncload.compare.limits import Limits
from asyncload.config.load import load_config
from asyncload.config.overrides import with_override
from asyncload.config.redact import is_secret_name
from asyncload.drafts.request import Variables
from asyncload.drafts.writing import split_url, write_yaml
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write, check_place, read_errors, replacing

RATE: Final = 10.0
"""Arrivals per second where neither a rate nor users are given."""
DURATION: Final = "10s"
_LONGEST: Final = "1h"
"""Of a closed load whose end is a number of requests."""
_SHORT_METRIC: Final = re.compile(r"(?!request\b|job\b)[a-z]\w*")
_TIME: Final = re.compile(r"p\d+(\.\d+)?|mean|min|max")


class HttpTest(msgspec.Struct, kw_only=True):
    """What the command line says of a test."""

    url: str
    rate: float | None = None
    users: int | None = None
    duration: str | None = None
    requests: int | None = None
    stages: str | None = None
    poisson: bool = False
    think_time: str | None = None
    method: str | None = None
    headers: Sequence[str] = ()
    json: str | None = None
    body: str | None = None
    file: str | None = None
    timeout: str | None = None
    expect: Sequence[str] = ()
    seed: int | None = None

    def config(self) -> dict[str, Any]:
        """Give the config of the test. Raises :class:`ConfigError`."""
        base, path = split_url(self.url)
        user: dict[str, Any] = {"kind": "http", "base_url": base}
        if self.timeout is not None:
            user["timeout"] = self.timeout
        if self.think_time is not None:
            user["wait"] = self.think_time
        user["requests"] = [{"path": path, **self._request()}]
        config: dict[str, Any] = {"name": "http"}
        if self.seed is not None:
            config["seed"] = self.seed
        config["scenarios"] = [{"name": "http", "load": self._load(), "user": user}]
        if self.expect:
            config["thresholds"] = [full_threshold(text) for text in self.expect]
        return config

    def _request(self) -> dict[str, Any]:
        given = {"--json": self.json, "--body": self.body, "--file": self.file}
        payloads = [option for option, value in given.items() if value is not None]
        if len(payloads) > 1:
            raise ConfigError(f"{' and '.join(payloads)} exclude each other; keep one of them")
        request: dict[str, Any] = {}
        method = self.method or ("POST" if payloads else "GET")
        if method.upper() != "GET":
            request["method"] = method.upper()
        if self.headers:
            request["headers"] = dict(map(_header, self.headers))
        if self.json is not None:
            request["json"] = _json(self.json)
        if self.body is not None:
            request["body"] = _text(self.body, "--body")
        if self.file is not None:
            request["file"] = self.file
        return request

    def _load(self) -> dict[str, Any]:
        ways = {"--rate": self.rate, "--users": self.users, "--stages": self.stages}
        given = [option for option, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} say different loads; keep one of them")
        if self.users is not None:
            return self._closed(self.users)
        if self.think_time is not None:
            raise ConfigError(
                f"--think-time {self.think_time} is of users, and requests at a rate go out when "
                "they are due; give --users instead of a rate"
            )
        shape: dict[str, Any]
        load: dict[str, Any] = {"model": "open"}
        if self.poisson:
            load["arrivals"] = "poisson"
        if self.stages is not None:
            shape = {"kind": "stages", "stages": [_stage(one) for one in self.stages.split(",")]}
            if self.requests is not None:
                raise ConfigError("--requests and --stages each say how much; keep one of them")
            ended = {} if self.duration is None else {"duration": self.duration}
            return {**load, "shape": shape, **ended}
        rate = RATE if self.rate is None else self.rate
        duration: Any = self.duration or DURATION
        if self.requests is not None:
            if self.duration is not None:
                raise ConfigError(
                    "--requests and --duration both say when to end, and at a rate one follows "
                    "from the other; keep one of them"
                )
            if not rate > 0:
                raise ConfigError(f"--rate is {rate:g}; give a number over 0")
            # Half a gap more: the last one is due before the end.
            duration = (self.requests + 0.5) / rate if not self.poisson else self.requests / rate
        return {**load, "shape": {"kind": "constant", "rate": rate}, "duration": duration}

    def _closed(self, users: int) -> dict[str, Any]:
        if self.poisson:
            raise ConfigError(
                "--poisson is of arrivals at a rate, and users send when they are ready; "
                "keep --poisson with --rate, or --users alone"
            )
        load = {"model": "closed", "shape": {"kind": "constant", "users": users}}
        if self.requests is None:
            return {**load, "duration": self.duration or DURATION}
        return {**load, "duration": self.duration or _LONGEST, "iterations": self.requests}


def http_command(
    test: HttpTest,
    *,
    save: Path | None,
    overrides: Sequence[str],
    log: Path | None,
    csv: str | None,
    baselines: Sequence[Path],
    limits: Limits,
    exports: Exports,
    quiet: bool,
) -> int:
    """Run a test of one URL, save its config where that is asked for, and return the exit code."""
    config = test.config()
    if save is not None:
        _save(config, overrides, save)
    return run_command(
        config,
        overrides=overrides,
        log=log,
        csv=csv,
        baselines=baselines,
        limits=limits,
        exports=exports,
        quiet=quiet,
    )


def full_threshold(text: str) -> str:
    """Write a short threshold in full: ``p95 < 200ms`` is of the latency of all requests."""
    match = _SHORT_METRIC.match(text.strip())
    if match is None:
        return text
    word = re.match(r"[\w.]+", text.strip())
    assert word is not None
    prefix = "request.latency." if _TIME.fullmatch(word[0]) else "request."
    return prefix + text.strip()


def _save(config: dict[str, Any], overrides: Sequence[str], path: Path) -> None:
    """Write the config to ``path``, without secrets; one that is there already is not replaced."""
    for override in overrides:
        config = with_override(config, override)
    if path.exists():
        raise ConfigError(f"--save {path} is there already; name another file, or remove it")
    load_config(config)  # nothing is saved that cannot be run
    saved = msgspec.json.decode(msgspec.json.encode(config))
    user, variables = saved["scenarios"][0]["user"], Variables()
    request = user["requests"][0]
    user["base_url"] = variables.user_info(user["base_url"])
    request["path"] = variables.parameters(request["path"])
    for name, value in request.get("headers", {}).items():
        if is_secret_name(name):
            request["headers"][name] = variables.header(name, value)
    comments = [f"asyncload run {path}"]
    if variables.values:
        comments.append(f"Set in the environment: {', '.join(variables.values)}")
    try:
        check_place(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(write_yaml(saved, comments=comments).encode())
    except OSError as problem:
        raise ConfigError(f"--save: {cannot_write(path, problem)}") from None
    click.echo(f"asyncload: saved {path}", err=True)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise ConfigError(f"-H {name!r} is no header; write it as 'Name: value'")
    return name.strip(), value.strip()


def _json(text: str) -> Any:
    given = _text(text, "--json")
    try:
        return msgspec.json.decode(given)
    except msgspec.DecodeError as problem:
        raise ConfigError(f"--json is not JSON ({problem}); mend it, or use --body") from None


def _text(value: str, option: str) -> str:
    """Give the text of an option, or that of the file that it names as ``@FILE``."""
    if not value.startswith("@"):
        return value
    path = Path(value[1:])
    with read_errors(
        path, ConfigError, f"{option} {value}: cannot be read", remedy="check the path"
    ):
        return path.read_text(encoding="utf-8")


def _stage(text: str) -> list[Any]:
    level, colon, duration = text.strip().partition(":")
    if colon:
        with contextlib.suppress(ValueError):
            return [float(level), duration]
    raise ConfigError(f"--stages: {text!r} is no RATE:TIME; write stages such as 10:30s,50:1m")
