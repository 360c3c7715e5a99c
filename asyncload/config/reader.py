"""YAML of config files: the plain values of YAML 1.2, and no duplicate keys.

PyYAML reads YAML 1.1, in which ``no`` is false, ``1e3`` is a text, ``1:30`` is 90 and
``2024-01-01`` is a date. This reader takes decimal numbers, ``true`` and ``false``; the rest is
text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import yaml

from asyncload.errors import ConfigError
from asyncload.records.files import read_errors

_TAG: Final = "tag:yaml.org,2002:"
_TYPES: Final = {list: "a list", str: "a text", int: "a number", float: "a number"}


class Quoted(str):
    """A text in quotes with a variable in it, which is a text whatever the variable is."""

    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """Loads YAML and refuses duplicate keys."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - add_implicit_resolver below copies and fills it


for _name, _form, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]{0,99})", list("-+0123456789")),
    (
        "float",
        r"[-+]?((\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|\.inf)|\.nan",
        list("-+0123456789."),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(f"^({_form})$"), _first)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    seen = set()
    for key_node, _ in node.value:
        if key_node.tag == f"{_TAG}merge":
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is not a text", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} is given twice", key_node.start_mark
            )
        seen.add(key)
    mapping: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return mapping


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _text(loader: _Loader, node: yaml.ScalarNode) -> str:
    text: str = loader.construct_scalar(node)
    return Quoted(text) if node.style in {'"', "'"} and "${" in text else text


_Loader.add_constructor(f"{_TAG}str", _text)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the file at ``path``. Raises :class:`ConfigError`."""
    with read_errors(
        path,
        ConfigError,
        f"{path}: cannot be read",
        remedy="check the path",
        missing=f"{path}: there is no such file; check the path",
        folder=f"{path}: is a folder; name one config file in it",
    ):
        text = path.read_text(encoding="utf-8")
    return config_content(text, str(path))


def config_content(text: str, name: str) -> dict[str, Any]:
    """Read the text of a config, which errors call ``name``. Raises :class:`ConfigError`."""
    try:
        raw = parse_yaml(text)
    except yaml.YAMLError as problem:
        raise ConfigError(f"{name}{_explained(problem, text)}") from None
    if not isinstance(raw, dict):
        what = "is empty" if raw is None else f"holds {_TYPES.get(type(raw), 'a single value')}"
        raise ConfigError(f"{name}: {what}; a config is keys and values, such as 'scenarios:'")
    return raw


def parse_yaml(text: str) -> Any:
    """Read ``text``. Raises :class:`yaml.YAMLError`, and nothing else."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    except (ValueError, TypeError, AttributeError):
        # Raised for `!!int x`, `!!timestamp x` and the like.
        raise yaml.YAMLError("a value does not fit the !!tag before it") from None


def parse_scalar(text: str) -> Any:
    """Read ``text`` as one plain value: ``5`` is a number, ``"5"`` the text 5."""
    loader: Any = _Loader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag == f"{_TAG}str" and text[:1] in {'"', "'"} and text[-1:] == text[:1]:
        try:
            unquoted = parse_yaml(text)
        except yaml.YAMLError:
            return text
        return unquoted if isinstance(unquoted, str) else text
    if tag in {f"{_TAG}{name}" for name in ("null", "bool", "int", "float")}:
        return parse_yaml(text)
    return text


def _explained(problem: yaml.YAMLError, text: str) -> str:
    """Write the line, the problem and the remedy."""
    if isinstance(problem, yaml.reader.ReaderError):
        line = text.count("\n", 0, problem.position) + 1
        return (
            f", line {line}: the character {chr(problem.character)!r} may not stand here; remove it"
        )
    if not isinstance(problem, yaml.MarkedYAMLError) or problem.problem_mark is None:
        return f": {' '.join(str(problem).split())}; mend the YAML"
    mark = problem.problem_mark
    what = str(problem.problem)
    began = problem.context_mark
    if began is not None and problem.context and began.line != mark.line:
        what += f" ({problem.context} that begins in line {began.line + 1})"
    return f", line {mark.line + 1}, column {mark.column + 1}: {what}; {_remedy(problem, text)}"


def _remedy(problem: yaml.MarkedYAMLError, text: str) -> str:
    what = str(problem.problem)
    assert problem.problem_mark is not None
    line = text.splitlines()[problem.problem_mark.line :][:1]
    if "'\\t'" in what:
        return "indent with spaces, not with tabs"
    if "cannot start any token" in what:
        return "put the text in quotes"
    if "is not a text" in what:
        return 'put "{{ … }}" in quotes' if "{{" in "".join(line) else "put it in quotes"
    if "but got '{'" in what and "${" in "".join(line):
        return "inside { } and [ ] put ${…} in quotes"
    if what.endswith(("but got '?'", "but got ':'", "but got '['", "but got '{'")):
        return "inside { } and [ ] put texts with ?, :, #, brackets or commas in quotes"
    if "is given twice" in what:
        return "remove one of them"
    return "mend the YAML there"
