"""What went wrong, by kinds: texts that differ in ids, times and counters alone are one kind."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

MAX_ERRORS: Final = 50
"""Kinds of failures kept for a group; the others are counted together."""
OTHER_ERRORS: Final = "(other errors)"
MAX_MESSAGES: Final = 10
"""Kinds kept for one HTTP status, so that a talkative service leaves room for the others."""
OTHER_MESSAGES: Final = "(other messages)"
_COMPARED: Final = 100
"""Characters of a kind. Texts are cut to 200; an id more or less shifts where."""

Spans = dict[str, tuple[float, float]]
"""First and last time of something, in seconds of the run, by its text."""

# What stays at the beginning, digits and all: an HTTP status with those expected, the path of a
# check, and the address in messages of the transport.
_HEAD: Final = re.compile(
    r"""
    HTTP[ ]\d{3} (?: [^:\d]*,[ ]not[ ][\dxor, ]+ )?
    | \$\S*
    | (?: No[ ](?:TLS[ ])?connection[ ]to[ ] | The[ ]name[ ]of[ ] )?
      (?: (?!\d{4}-)[^\s:]*[A-Za-z][^\s:]* | (?:\d+\.){3}\d+ | [0-9a-f:]*::[0-9a-f:]* )
      :\d{1,5} (?= :?[ ] )
    |
    """,
    re.VERBOSE,
)
# Everything with a digit is an id, a time or a number; UUIDs first, because a part of one may be
# without a digit.
_VARIABLE: Final = re.compile(
    r"\b(?:[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|[^\W\d]*\d\w*(?:[-.:,/+][^\W\d]*\d\w*)*)"
)
# A path or URL, or something in quotes.
_NAMED: Final = re.compile(r"[^\s:;,]*(?:://|/)[^\s:;,]*|'[^']*'|\"[^\"]*\"")
_SEVERAL: Final = re.compile(r"…(?:[\s,;]*…)+")


@lru_cache(maxsize=1024)
def failure_kind(text: str) -> str:
    """Give the kind of a failure: its text with ``…`` for each id, time and number."""
    head = _HEAD.match(text)
    kept = head[0] if head else ""
    return (kept + _SEVERAL.sub("…", _VARIABLE.sub("…", text[len(kept) :])))[:_COMPARED]


def note_kind(level: str, text: str) -> str:
    """Give the kind of a note: as that of a failure, and with ``…`` for paths and quoted names."""
    return f"{level} {failure_kind(_NAMED.sub('…', text))}"


class Failing:
    """Failures by kind: how often, and from when to when. Each goes by its first text."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self.failure_times: Spans = {}
        self._shown: dict[str, str] = {}
        """The text of each kind."""
        self._messages: dict[str, int] = {}
        """Kinds of each HTTP status."""

    def _fail(self, text: str, t: float) -> None:
        self._add_failure(text, 1, t, t)

    def merge_failures(self, other: Failing) -> None:
        """Fold all failures that ``other`` has folded."""
        for text, number in other.failures.items():
            self._add_failure(text, number, *other.failure_times[text])

    def _failure_fields(self) -> dict[str, Any]:
        failures = most_frequent(self.failures)
        return {
            "failures": failures,
            "failure_times": {text: self.failure_times[text] for text in failures},
        }

    def _add_failure(self, text: str, number: int, first: float, last: float) -> None:
        kind = failure_kind(text)
        shown = self._shown.get(kind)
        if shown is None:
            kind, text = self._place(kind, text)
            shown = self._shown.setdefault(kind, text)
        elif (first, text) < (self.failure_times[shown][0], shown):
            # Groups merge in any order, and so may bring an earlier text.
            self._shown[kind] = text
            self.failures[text] = self.failures.pop(shown)
            self.failure_times[text] = self.failure_times.pop(shown)
            shown = text
        self.failures[shown] = self.failures.get(shown, 0) + number
        known = self.failure_times.get(shown, (first, last))
        self.failure_times[shown] = min(known[0], first), max(known[1], last)

    def _place(self, kind: str, text: str) -> tuple[str, str]:
        """Find the kind and text that a new kind is kept under."""
        status, colon, _ = text.partition(": ")
        if colon and status.startswith("HTTP "):
            place = f"{status[:_COMPARED]}: {OTHER_MESSAGES}"
            if text != place:
                kinds = self._messages[status] = self._messages.get(status, 0) + 1
                if kinds > MAX_MESSAGES:
                    kind = text = place
        if kind not in self._shown and len(self._shown) >= MAX_ERRORS:
            return OTHER_ERRORS, OTHER_ERRORS
        return kind, text


def most_frequent(failures: dict[str, int]) -> dict[str, int]:
    """Sort failures by falling number, then by text."""
    return dict(sorted(failures.items(), key=lambda item: (-item[1], item[0])))
