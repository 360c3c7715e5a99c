"""Compiled expressions of templates: a closure, and how often its value may be another one."""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from asyncload.transport.error_text import describe


class Scope(Protocol):
    """What a place is filled from: a user in one of its iterations."""

    row: int
    """Number of the data row."""
    captured: dict[str, Any]
    """What earlier answers of this iteration said."""

    @property
    def rng(self) -> random.Random:
        """Random numbers of the user's own."""


Maker = Callable[[Any], Any]
"""Gives a value for a :class:`Scope`."""


class Varies(IntEnum):
    """How often the value of an expression may be another one."""

    NEVER = 0
    BY_ROW = 1
    BY_REQUEST = 2
    BY_ANSWER = 3
    """It needs what an earlier answer said, so it cannot be tried out in set-up."""


class Code(NamedTuple):
    """A compiled expression. ``column`` is set where it is nothing but a column."""

    varies: Varies
    make: Maker
    column: str | None = None


class TemplateError(ValueError):
    """A template cannot be compiled; the message says why and what to do."""


def has_places(text: str) -> bool:
    """Whether there is anything in ``text`` to be filled."""
    return "{{" in text or "{%" in text


def constant(value: Any) -> Code:
    """Give the code of a value that never varies."""
    return Code(Varies.NEVER, lambda _: value)


def known(code: Code) -> Any:
    """The value of a constant; ``None`` of anything else."""
    return code.make(None) if code.varies is Varies.NEVER else None


def applied(function: Callable[..., Any], *codes: Code) -> Code:
    """Compile a call of a pure function."""
    varies = max((code.varies for code in codes), default=Varies.NEVER)
    if len(codes) == 1:
        (only,) = (code.make for code in codes)
        return settled(Code(varies, lambda scope: function(only(scope))))
    if len(codes) == 2:
        first, second = (code.make for code in codes)
        return settled(Code(varies, lambda scope: function(first(scope), second(scope))))
    makes = [code.make for code in codes]
    return settled(Code(varies, lambda scope: function(*[make(scope) for make in makes])))


def settled(code: Code) -> Code:
    """Work out now what never varies."""
    if code.varies is not Varies.NEVER:
        return code
    return constant(attempted(code.make, None))


class FirstRow:
    """A scope that is no user's, for trying things out: the first row at first."""

    def __init__(self, seed: str | int = 0) -> None:
        self.row = 0
        self.captured: dict[str, Any] = {}
        self.rng = random.Random(seed)


def attempted(make: Maker, scope: Any) -> Any:
    """Give the value, or a :class:`TemplateError` in place of what goes wrong."""
    try:
        return make(scope)
    except TemplateError:
        raise
    except Exception as problem:  # what an expression does is its author's business
        raise TemplateError(format_problem(problem)) from None


def format_problem(problem: Exception) -> str:
    """Write what went wrong with an expression; a ValueError of ours is a sentence already."""
    return str(problem) if type(problem) is ValueError else describe(problem)
