"""Places in a JSON document: ``$.predictions[0].score``, ``$['page title']``, ``$.items[-1]``.

The part of JSONPath (RFC 9535) that names one value. What names several, such
as ``[*]`` and ``..``, is left out: an expectation is about one value.
"""

from __future__ import annotations

import re
from typing import Any, Final

Segments = tuple[str | int, ...]

_SEGMENT: Final = re.compile(
    r"\.(?P<name>[^\W\d][\w-]*)"
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


def parse_path(text: str) -> Segments:
    """Read a path into its segments: names of members, and indexes (from the end when negative).

    ``$`` alone is the whole document. Raises ValueError with a sentence.
    """
    if not text.startswith("$"):
        raise _malformed(text)
    segments: list[str | int] = []
    at = 1
    while at < len(text):
        segment = _SEGMENT.match(text, at)
        if segment is None:
            raise _malformed(text)
        at = segment.end()
        if segment["index"] is not None:
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


def _malformed(text: str) -> ValueError:
    return ValueError(
        f"{text!r} is not a path into JSON; write $ and then .name, ['any name'] or [number], "
        "such as $.predictions[0].score"
    )
