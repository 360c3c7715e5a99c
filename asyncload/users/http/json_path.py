"""Places in a JSON document: ``$.predictions[0].score``, ``$['page title']``, ``$.items[-1]``.

The part of JSONPath (RFC 9535) that names one value. What names several, such
as ``[*]`` and ``..``, is left out: an expectation is about one value.
"""

from __future__ import annotations

import re
from typing import Any, Final

Steps = tuple[str | int, ...]

_STEP: Final = re.compile(
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


def parse_path(text: str) -> Steps:
    """Read a path into its steps: names of members, and indexes (from the end when negative).

    ``$`` alone is the whole document. Raises ValueError with a sentence.
    """
    if not text.startswith("$"):
        raise _malformed(text)
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise _malformed(text)
        at = step.end()
        if step["index"] is not None:
            steps.append(int(step["index"]))
        elif step["name"] is not None:
            steps.append(step["name"])
        else:
            quoted = step["single"] if step["single"] is not None else step["double"]
            steps.append(_ESCAPED.sub(r"\1", quoted))
    return tuple(steps)


def find(document: Any, steps: Steps) -> Any:
    """Find the value at ``steps``; :data:`MISSING` when there is none."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(document, list) or not -len(document) <= step < len(document):
                return MISSING
            document = document[step]
        else:
            if not isinstance(document, dict) or step not in document:
                return MISSING
            document = document[step]
    return document


def _malformed(text: str) -> ValueError:
    return ValueError(
        f"{text!r} is not a path into JSON; write $ and then .name, ['any name'] or [number], "
        "such as $.predictions[0].score"
    )
