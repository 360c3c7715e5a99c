"""Places in a JSON document: ``$.predictions[0].score``, ``$['page title']``, ``$.items[-1]``.

The part of JSONPath (RFC 9535) that names one value, and ``[*]``, which names each element of a
list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

Segments = tuple[str | int | None, ...]
"""Names of members, indexes of lists, and :data:`EACH`."""
EACH: Final = None

_SEGMENT: Final = re.compile(
    r"\.(?P<name>[^\W\d][\w-]*)"
    r"|\[\s*(?P<each>\*)\s*\]"
    r"|\[\s*(?P<index>0|-?[1-9]\d{0,8})\s*\]"
    r"|\[\s*'(?P<single>(?:[^'\\]|\\.)*)'\s*\]"
    r'|\[\s*"(?P<double>(?:[^"\\]|\\.)*)"\s*\]',
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class _Missing:
    """Stands for a value that is not there: ``None`` is JSON's null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


def parse_path(text: str, *, each: bool = False) -> Segments:
    """Read a path into its segments: names of members, and indexes (from the end when negative).

    ``$`` alone is the whole document. ``each`` allows ``[*]``. Raises ValueError with a sentence.
    """
    if not text.startswith("$"):
        raise _malformed(text)
    segments: list[str | int | None] = []
    at = 1
    while at < len(text):
        segment = _SEGMENT.match(text, at)
        if segment is None:
            raise _malformed(text)
        at = segment.end()
        if segment["each"] is not None:
            if not each:
                raise ValueError(
                    f"{text!r} names several values; name one, such as [0] in place of [*]"
                )
            segments.append(EACH)
        elif segment["index"] is not None:
            segments.append(int(segment["index"]))
        elif segment["name"] is not None:
            segments.append(segment["name"])
        else:
            quoted = segment["single"] if segment["single"] is not None else segment["double"]
            segments.append(_ESCAPED.sub(r"\1", quoted))
    return tuple(segments)


def find(document: Any, segments: Segments) -> Any:
    """Find the value at ``segments``; :data:`MISSING` when there is none."""
    for segment in segments:
        if isinstance(segment, int):
            if not isinstance(document, list) or not -len(document) <= segment < len(document):
                return MISSING
            document = document[segment]
        else:
            if not isinstance(document, dict) or segment not in document:
                return MISSING
            document = document[segment]
    return document


def find_each(document: Any, segments: Segments) -> Iterator[Any]:
    """Find the values at ``segments``; :data:`MISSING` in place of each that is not there."""
    if EACH not in segments:
        yield find(document, segments)
        return
    at = segments.index(EACH)
    items = find(document, segments[:at])
    if not isinstance(items, list):
        yield MISSING
        return
    for item in items:
        yield from find_each(item, segments[at + 1 :])


def _malformed(text: str) -> ValueError:
    return ValueError(
        f"{text!r} is not a path into JSON; write $ and then .name, ['any name'] or [number], "
        "such as $.predictions[0].score"
    )
