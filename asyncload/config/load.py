"""Reading config files: YAML, ``--set``, the environment, and checks that name the key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from asyncload.config.convert import below, convert, mended
from asyncload.config.environment import expand
from asyncload.config.model import Config, FileConfig, ScenarioConfig, ThresholdOptions
from asyncload.config.overrides import with_override
from asyncload.config.reader import read_yaml
from asyncload.config.redact import HIDDEN, hide_texts, redact, secret_texts, secret_variables
from asyncload.config.synonyms import without_synonyms
from asyncload.errors import ConfigError
from asyncload.monitor.settings import MonitorSource
from asyncload.plan.duration import enc_hook
from asyncload.plan.plan import Plan, Scenario, UserSpec
from asyncload.plan.shapes import SHAPES, Shape, end_of, shape_from
from asyncload.transport.error_text import remember_secrets


def load_config(
    source: Path | str | Mapping[str, Any],
    *,
    overrides: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """Read and check a config file, or a dict with the content of one.

    ``overrides`` (``KEY=VALUE``, as for ``--set``) apply before environment variables are
    replaced. Paths in a dict are relative to the current folder. Raises :class:`ConfigError`
    with the file, the key and the value.
    """
    if isinstance(source, Mapping):
        _check_data(source)
        return _load(_copied(source), overrides, environment, Path())
    if not isinstance(source, str | Path):
        raise ConfigError(f"{source!r} is no config; give a dict, or the path of a config file")
    path = Path(source)
    config = _load(read_yaml(path), overrides, environment, path.parent, named=f"{path}: ")
    return msgspec.structs.replace(config, source=str(path))


def _load(
    raw: Any,
    overrides: Iterable[str],
    environment: Mapping[str, str],
    directory: Path,
    named: str = "",
) -> Config:
    """Check the content of a config file; errors begin with ``named``."""
    secrets: set[str] = set()
    try:
        for override in overrides:
            raw = with_override(raw, override)
        raw = expand(raw, environment, secrets, "")
        remember_secrets(secrets)
        remember_secrets(secret_variables(environment))
        return _config(raw, directory, frozenset(secrets))
    except ConfigError as problem:
        raise ConfigError(hide_texts(f"{named}{problem}", secrets)) from None


def _copied(value: Any) -> Any:
    """Copy plain data, with the types a YAML file gives."""
    if isinstance(value, Mapping):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list | tuple) else value


def config_from(raw: Mapping[str, Any], *, directory: Path | str = ".") -> Config:
    """Check a config given as plain data. Raises :class:`ConfigError`."""
    return _config(raw, Path(directory), frozenset())


def _config(raw: Any, directory: Path, secrets: frozenset[str]) -> Config:
    _check_data(raw)
    remember_secrets(secret_texts(raw))
    file = convert(without_synonyms(raw), FileConfig)
    folder = str(directory.resolve())
    _importable(folder)
    plan = Plan(
        name=hide_texts(file.name, secrets),
        seed=file.seed,
        drain=float(file.drain),
        scenarios=tuple(
            _scenario(scenario, index, folder) for index, scenario in enumerate(file.scenarios)
        ),
    )
    return Config(
        plan=plan,
        aws=file.aws,
        local=file.local,
        thresholds=tuple(map(_shown_threshold, file.thresholds)),
        warmup=_warmup(float(file.warmup), plan),
        connections=file.connections,
        probe=file.probe,
        validity=file.validity,
        inconclusive=file.inconclusive,
        log=file.log,
        log_mode=file.log_mode,
        stats_interval=float(file.stats_interval),
        prices=file.prices,
        max_requests=file.max_requests,
        max_cost=file.max_cost,
        monitor=tuple(map(_shown_source, file.monitor)),
        resolved=_resolved(file, plan, secrets),
        secrets=secrets,
    )


def _shown_threshold(given: str | ThresholdOptions) -> str | ThresholdOptions:
    """Give a threshold without secrets: names that it holds are without them, too."""
    if isinstance(given, str):
        return hide_texts(given, ())
    return msgspec.structs.replace(given, threshold=hide_texts(given.threshold, ()))


def _shown_source(source: MonitorSource) -> MonitorSource:
    if source.name is None:
        return source
    return msgspec.structs.replace(source, name=hide_texts(source.name, ()))


def _warmup(seconds: float, plan: Plan) -> float:
    """Refuse a warm-up that leaves nothing of a load to measure."""
    for scenario in plan.scenarios:
        if seconds and seconds >= scenario.end:
            raise ConfigError(
                f"warmup: {seconds:g} s is no shorter than the {scenario.end:g} s of load of "
                f"scenario {scenario.name!r}, so nothing would be measured; give a shorter one"
            )
    return seconds


def _check_data(raw: Any) -> None:
    try:
        _check_plain(raw, "")
    except RecursionError:
        raise ConfigError("the config is nested too deeply, or holds itself; flatten it") from None


def _check_plain(value: Any, where: str) -> None:
    """Refuse values that the log's header cannot hold as JSON."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ConfigError(f"{where or 'the config'}: the key {key!r} must be a text")
            _check_plain(key, where or "the config")
            _check_plain(inner, below(where, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check_plain(inner, below(where, index))
    elif isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigError(f"{where}: {value!r} is not valid Unicode; write it in UTF-8")
    elif value is not None and not isinstance(value, bool | int | float):
        raise ConfigError(
            f"{where}: {value!r} is of no type that a config has; "
            "use texts, numbers, true or false, lists, and keys with values"
        )


def _resolved(file: FileConfig, plan: Plan, secrets: frozenset[str]) -> dict[str, Any]:
    """Give the config for the log's header: with defaults, without secrets."""
    resolved: dict[str, Any] = msgspec.to_builtins(file, enc_hook=enc_hook)
    for entry, scenario in zip(resolved["scenarios"], plan.scenarios, strict=True):
        entry["name"] = scenario.name
        entry["load"]["duration"] = scenario.end
        if scenario.model == "open":
            entry["load"]["arrivals"] = scenario.arrivals
            entry["load"]["max_in_flight"] = scenario.max_in_flight
    for source in resolved["monitor"]:  # whatever they are called, most headers are credentials
        source["headers"] = dict.fromkeys(source["headers"], HIDDEN)
    cleaned: dict[str, Any] = redact(resolved, secrets=secrets)
    return cleaned


def _importable(folder: str) -> None:
    """Make modules in the config's folder and the current folder importable.

    They come last in ``sys.path``, so that a ``queue.py`` there does not hide Python's own.
    """
    for place in (folder, str(Path.cwd())):
        if place not in sys.path:
            sys.path.append(place)


def _scenario(scenario: ScenarioConfig, index: int, folder: str) -> Scenario:
    where = f"scenarios.{index}"
    load = scenario.load
    name = f"scenario-{index}" if scenario.name is None else hide_texts(scenario.name, ())
    duration = None if load.duration is None else float(load.duration)
    user = _user(scenario.user, f"{where}.user", folder)
    try:
        # Levels near the limits of floats overflow to infinity, which is refused in words.
        with np.errstate(all="ignore"):
            shape = _shape(load.shape, duration, f"{where}.load.shape")
            if duration is None and end_of(shape) is None:
                raise ConfigError(
                    f"{where}.load.duration: is missing; this shape has no end of its own, "
                    "so say how long, such as 60s"
                )
            return Scenario(
                name=name,
                user=user,
                shape=shape,
                duration=duration,
                model=load.model,
                iterations=load.iterations,
                **load.of_open,
            )
    except ConfigError as problem:
        text = str(problem)
        if text.startswith(f"{where}."):
            raise
        text = text.removeprefix(f"scenario {name!r}: ")
        raise ConfigError(f"{where}.load: {text}") from None
    except ArithmeticError as problem:
        raise ConfigError(
            f"{where}.load: its numbers are too large or too small to work with ({problem}); "
            "choose others"
        ) from None


def _shape(spec: dict[str, Any] | str, duration: float | None, where: str) -> Shape:
    while True:
        try:
            return shape_from(spec, horizon=duration)
        except msgspec.ValidationError as problem:
            assert isinstance(spec, dict)
            spec = mended(problem, spec, SHAPES[spec["kind"]], where=where)
        except ConfigError as problem:
            raise ConfigError(f"{where}: {problem}") from None


def _user(spec: dict[str, Any] | str, where: str, folder: str) -> UserSpec:
    if isinstance(spec, str):
        return UserSpec(spec, folder=folder)
    if not isinstance(spec.get("kind"), str):
        raise ConfigError(
            f"{where}.kind: is missing; name a kind such as model_runner, or package.module:Class"
        )
    options = {key: spec[key] for key in spec if key != "kind"}
    return UserSpec(spec["kind"], options, folder)
