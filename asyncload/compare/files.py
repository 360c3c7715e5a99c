"""A comparison as Markdown, ready for a comment on a pull request, and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from asyncload.compare.bootstrap import CONFIDENCE
from asyncload.compare.comparison import METRICS, VERDICTS, Change, Comparison, Row
from asyncload.compare.table import (
    MARKS,
    NEVER,
    change_text,
    conclusion_text,
    full_label,
    interval_text,
    limits_text,
    only_in,
    value_text,
    verdict_text,
    worst_first,
)
from asyncload.errors import ConfigError
from asyncload.records.files import cannot_write, check_place
from asyncload.stats import units

SCHEMA: Final = 1
# GitHub takes comments of 65,536 characters.
_MAX_ROWS: Final = 60
_MAX_DETAILS: Final = 120
_LONGEST: Final = 120  # characters of a name
# What a code span of Markdown, in a table too, shows as it is.
_PLAIN: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !\"#$%&'()*+,-./:;<=>?@[]^_{}~"
)
_LEGEND: Final = " · ".join(f"{mark} {verdict}" for verdict, mark in MARKS.items())


def check_files(*paths: Path | None) -> None:
    """Make sure that files can be written to ``paths``. Raises :class:`ConfigError`."""
    for path in paths:
        try:
            if path is not None:
                check_place(path)
        except (OSError, ValueError) as problem:
            raise _no_place(path, problem) from None


def write_markdown(comparison: Comparison, path: Path) -> None:
    """Write the Markdown to ``path``. Raises :class:`ConfigError` when that fails."""
    _write(path, markdown(comparison).encode("utf-8", "replace"))


def write_json(comparison: Comparison, path: Path) -> None:
    """Write the JSON (``docs/compare.md``) to ``path``; raises as :func:`write_markdown`."""
    _write(path, msgspec.json.format(msgspec.json.encode(to_dict(comparison)), indent=2) + b"\n")


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """Give the comparison as JSON types. What never ends is the text ``never``."""
    return {
        "schema": SCHEMA,
        "baseline": _whole(comparison.baseline),
        "candidate": _whole(comparison.candidate),
        "exit_code": comparison.exit_code,
        "confidence": CONFIDENCE,
        "thresholds": dict(comparison.thresholds),
        "thresholds_by_name": [
            {"name": _whole(one.name), "metric": one.metric, "threshold": one.threshold}
            for one in comparison.by_name
        ],
        "floor": comparison.floor,
        "verdicts": {verdict: comparison.count(verdict) for verdict in VERDICTS},
        "rows": [
            {
                "file": _whole(row.file),
                "type": row.type,
                "scenario": row.scenario,
                "name": row.name,
                "baseline_count": row.baseline_count,
                "candidate_count": row.candidate_count,
                "changes": [_plain(change) for change in row.changes],
            }
            for row in comparison.rows
        ],
        "only_in_baseline": [_whole(file) for file in comparison.only_in_baseline],
        "only_in_candidate": [_whole(file) for file in comparison.only_in_candidate],
        "ignored": [_whole(name) for name in comparison.ignored],
        "invalid": [_whole(side) for side in comparison.invalid],
        "remarks": [_whole(remark) for remark in comparison.all_remarks],
    }


def markdown(comparison: Comparison) -> str:
    """Write the comparison as GitHub Flavored Markdown."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    mark = {0: MARKS["better"], 1: MARKS["worse"]}.get(comparison.exit_code, "?")
    yield f"### {mark} Load test: {conclusion_text(comparison)}"
    yield ""
    yield f"{_code(comparison.candidate)} compared with {_code(comparison.baseline)}"
    yield ""
    both = [row for row in comparison.rows if not only_in(row)]
    shown = worst_first(both)[:_MAX_ROWS]
    if both:
        yield f"| | {' | '.join(METRICS)} |"
        yield f"|---|{'---:|' * len(METRICS)}"
        for row in (row for row in both if row in shown):
            yield f"| {_name(row)} | {' | '.join(_cell(change) for change in row.changes)} |"
        yield ""
        yield _LEGEND
        yield ""
        yield from _hidden(len(both) - len(shown))
    yield from _one_sided(comparison)
    if comparison.ignored:
        yield f"- ignored: {', '.join(_code(name) for name in comparison.ignored)}"
    for remark in comparison.all_remarks:
        yield f"- {_escaped(remark)}"
    yield ""
    named = bool(comparison.by_name)  # names of others may hold what Markdown takes for its own
    yield f"Thresholds: {_code(limits_text(comparison)) if named else limits_text(comparison)}."
    if both:
        yield ""
        yield from _details(shown)


def _cell(change: Change) -> str:
    text = change_text(change.metric, change.change, short=True)
    text = f"{MARKS[change.verdict]} {text}".rstrip()
    return f"**{text}**" if change.verdict in {"worse", "better"} else text


def _details(rows: list[Row]) -> Iterator[str]:
    """Give all numbers, folded away."""
    yield "<details><summary>All numbers</summary>"
    yield ""
    yield "| | metric | baseline | candidate | change | interval | verdict |"
    yield "|---|---|---:|---:|---:|:---:|---|"
    lines = [(row, change) for row in rows for change in row.changes]
    for row, change in lines[:_MAX_DETAILS]:
        cells = (
            _name(row),
            change.metric,
            value_text(change.metric, change.baseline),
            value_text(change.metric, change.candidate),
            change_text(change.metric, change.change),
            interval_text(change),
            verdict_text(change),
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield from _hidden(len(lines) - _MAX_DETAILS)
    yield "</details>"


def _one_sided(comparison: Comparison) -> Iterator[str]:
    for side, files in (
        ("baseline", comparison.only_in_baseline),
        ("candidate", comparison.only_in_candidate),
    ):
        names = [_name(row) for row in comparison.rows if only_in(row) == side]
        names += [_code(file) for file in files]
        if names:
            more = f" and {units.count(len(names) - _MAX_ROWS)} more"
            listed = ", ".join(names[:_MAX_ROWS]) + (more if len(names) > _MAX_ROWS else "")
            yield f"- only in the {side}: {listed}"


def _hidden(number: int) -> Iterator[str]:
    if number > 0:
        yield f"and {units.count(number)} more"
        yield ""


def _name(row: Row) -> str:
    return _code(full_label(row))


def _code(text: str) -> str:
    """Write a text of others so that Markdown shows it as it is, in a table too.

    Backticks, bars and backslashes have no place in a code span of a table,
    and letters beyond ASCII may be anything: such texts are HTML, in which
    all that could mean something is a numeric reference.
    """
    text = _cut(units.one_line(text))
    if text and _PLAIN.issuperset(text):
        return f"`{text}`"
    return f"<code>{_escaped(text)}</code>"


def _escaped(text: str) -> str:
    """Write characters that could mean something to Markdown or HTML as references."""
    return "".join(c if c.isalnum() or c in " ,;" else f"&#{ord(c)};" for c in units.one_line(text))


def _cut(text: str) -> str:
    """Cut the middle out of a text that is too long."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]}…{text[1 - half :]}"


def _plain(change: Change) -> dict[str, Any]:
    return {
        name: NEVER if value == math.inf else value
        for name, value in msgspec.structs.asdict(change).items()
    }


def _whole(text: str) -> str:
    """Give a text without the halves of characters that a path may have; JSON has none."""
    return text.encode("utf-8", "replace").decode()


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as problem:
        raise ConfigError(cannot_write(path, problem)) from None


def _no_place(path: Path | None, problem: OSError | ValueError) -> ConfigError:
    reason = getattr(problem, "strerror", None) or problem
    return ConfigError(f"cannot write {path}: {reason}; choose another place")
