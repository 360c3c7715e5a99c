"""The text format of Prometheus endpoints: what is needed of it, read strictly.

An endpoint serves thousands of lines, and the loop that reads them drives a
load: lines of series that nobody wants are not looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_AFTER_NAME: Final = {b" ", b"\t", b"{", b"\r", b"\n", b""}
_BRACE: Final = re.compile(r"[ \t]*\{")
_LABEL: Final = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*')
_NUMBER: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[iI][nN][fF]|[nN][aA][nN])"
)
_REST: Final = re.compile(
    rf"[ \t]*({_NUMBER.pattern})"
    r"(?:[ \t]+[+-]?[0-9]+(?:\.[0-9]+)?)?"  # when it was measured
    r"(?:[ \t]+#[ \t].*)?[ \t]*"  # OpenMetrics: an example
)
_REMEMBERED: Final = 10_000
_ESCAPED: Final = re.compile(r"\\(.)")


class Sample(NamedTuple):
    """One line: a value of a series."""

    name: str
    labels: Mapping[str, str]
    value: float
    """Finite: a value that is not says nothing, and its line is left out."""
    series: str = ""
    """Name and labels as they are written: the same in every answer of an endpoint."""


class NotExpositionError(ValueError):
    """A line is not of the format; the message says which and why."""


def read_samples(
    body: bytes, wanted: Collection[str], known: dict[str, Sample] | None = None
) -> list[Sample]:
    """Read the samples of the series called one of ``wanted``, in the order of their lines.

    ``known`` keeps what has been read, by series: from one answer of an
    endpoint to the next only values change, and labels need not be read again.

    Raises :class:`NotExpositionError` for a line of one of them that cannot be
    read, or when no line at all is of the format.
    """
    samples = []
    known = {} if known is None or len(known) > _REMEMBERED else known
    if b"\n " in body or b"\n\t" in body or body[:1].isspace():
        body = b"\n".join(map(bytes.strip, body.split(b"\n")))  # blanks before a name are allowed
    body = b"\n" + body
    for at, end in sorted(_lines(body, wanted)):
        try:
            sample = _sample(body[at:end].decode("utf-8", "replace").rstrip(), known)
        except NotExpositionError as problem:
            number = body.count(b"\n", 0, at)
            raise NotExpositionError(f"has no sample in line {number}: {problem}") from None
        if math.isfinite(sample.value):
            samples.append(sample)
    if not samples and not any(map(_is_sample, body.split(b"\n"))):
        raise NotExpositionError("holds no series with a value")
    return samples


def series_names(body: bytes) -> list[str]:
    """Give the names of all series, in the order of their first lines."""
    names = (_NAME.match(line.decode("utf-8", "replace").strip()) for line in body.split(b"\n"))
    return list(dict.fromkeys(name[0] for name in names if name is not None))


def _lines(body: bytes, wanted: Iterable[str]) -> Iterator[tuple[int, int]]:
    """Find the lines of the wanted series: where each begins and ends."""
    for name in wanted:
        start = b"\n" + name.encode()
        at = body.find(start)
        while at >= 0:
            end = body.find(b"\n", at + 1)
            end = len(body) if end < 0 else end
            if body[at + len(start) : at + len(start) + 1] in _AFTER_NAME:
                yield at + 1, end
            at = body.find(start, end)


def _sample(line: str, known: dict[str, Sample]) -> Sample:
    """Read a line as :func:`parse_line` does, quickly where its series is known."""
    series, _, value = line.rpartition(" ")
    before = known.get(series)
    if before is not None and _NUMBER.fullmatch(value):
        return Sample(before.name, before.labels, float(value), series)
    sample = parse_line(line)
    if sample.series == series:  # nothing but the value comes after it
        known[series] = sample
    return sample


def parse_line(line: str) -> Sample:
    """Read a line that is neither empty nor a comment. Raises :class:`NotExpositionError`."""
    name = _NAME.match(line)
    if name is None:
        raise NotExpositionError("it does not begin with the name of a series")
    at = name.end()
    brace = _BRACE.match(line, at)
    labels: dict[str, str] = {}
    if brace is not None:
        labels, at = _labels(line, brace.end())
    elif line[at : at + 1] not in {" ", "\t"}:
        raise NotExpositionError(f"no value follows {name[0]!r}")
    rest = _REST.fullmatch(line, at)
    if rest is None:
        raise NotExpositionError(f"no number follows {line[:at][:60]!r}")
    return Sample(name[0], labels, float(rest[1]), line[:at])


def _labels(line: str, at: int) -> tuple[dict[str, str], int]:
    """Read labels from after the brace; give them, and where the closing brace ends."""
    labels: dict[str, str] = {}
    while label := _LABEL.match(line, at):
        if label[1] in labels:
            raise NotExpositionError(f"the label {label[1]!r} stands there twice")
        labels[label[1]] = _ESCAPED.sub(_unescaped, label[2])
        at = label.end()
        if line[at : at + 1] != ",":
            break
        at += 1
    at += len(line[at:]) - len(line[at:].lstrip(" \t"))
    if line[at : at + 1] != "}":
        raise NotExpositionError("its labels cannot be read")
    return labels, at + 1


def _unescaped(match: re.Match[str]) -> str:
    r"""Give what ``\n``, ``\"`` or ``\\`` stands for; any other backslash stands for itself."""
    return {"n": "\n", '"': '"', "\\": "\\"}.get(match[1], match[0])


def _is_sample(line: bytes) -> bool:
    try:
        parse_line(line.decode("utf-8", "replace").strip())
    except NotExpositionError:
        return False
    return True
