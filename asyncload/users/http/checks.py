"""What is expected of an answer, and what later requests take from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from asyncload.config.redact import is_secret_name
from asyncload.plan.size import parse_size
from asyncload.transport.error_text import hide_secrets
from asyncload.transport.http.failed_answer import failed_answer
from asyncload.transport.http.response import Response
from asyncload.users.http.json_path import MISSING, find, find_each, parse_path
from asyncload.users.templates.compiled import Scope, has_places
from asyncload.users.templates.conditions import may_be_missing, parse_condition, same
from asyncload.users.templates.template import value

if TYPE_CHECKING:
    from asyncload.users.templates.expressions import Compiler

Judge = Callable[[Response, Any], str | None]
"""Says for a scope why an answer is a failed request, ``None`` when it is none."""

_HEADER: Final = re.compile(r"header\s+(?P<name>[!#$%&'*+.^`|~\w-]+)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_LONGEST: Final = 60
_CLASS: Final = re.compile(r"[1-5]xx", re.IGNORECASE)

SUCCESS: Final = frozenset(range(200, 300))
"""Statuses that count as answered well where a request has no ``expect``."""

Statuses = list[int | str] | int | str
"""Status codes, and classes of them such as ``2xx``."""


class ExpectOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``expect`` of a request; a number or a list is its ``status``."""

    status: Statuses | None = None
    """Status codes that count as answered well; 2xx if left out."""
    json: dict[str, Any] = {}
    """Conditions by path into the answer."""
    body_contains: list[str] | str = []
    """Texts that must all be in the body."""
    max_bytes: int | str | None = None
    """The largest body."""

    def __post_init__(self) -> None:
        check_statuses("status", self.status)
        for path, condition in self.json.items():
            try:
                parse_path(path, each=True)
                if not (isinstance(condition, str) and has_places(condition)):
                    parse_condition(condition)
            except ValueError as problem:
                raise ValueError(f"json: {problem}") from None
        if "" in self.texts:
            raise ValueError("body_contains is an empty text, which is in every body; leave it out")
        if self.max_bytes is not None:
            try:
                parse_size(self.max_bytes)
            except ValueError as problem:
                raise ValueError(f"max_bytes: {problem}") from None

    @property
    def texts(self) -> list[str]:
        """The texts that must be in the body."""
        given = self.body_contains
        return [given] if isinstance(given, str) else given


Expect = ExpectOptions | list[int | str] | int | str
"""``expect`` of a request, as it may be written."""


def good_statuses(expect: Expect | None) -> frozenset[int]:
    """Statuses that count as answered well; :data:`SUCCESS` if nothing is said of them."""
    status = expect.status if isinstance(expect, ExpectOptions) else expect
    if status is None:
        return SUCCESS
    good: set[int] = set()
    for one in status if isinstance(status, list) else [status]:
        if isinstance(one, int):
            good.add(one)
        else:
            first = int(one[0]) * 100
            good |= set(range(first, first + 100))
    return frozenset(good)


def check_statuses(key: str, expect: Expect | None) -> None:
    """Refuse what is no status. Raises ValueError that begins with ``key``."""
    if expect is None or isinstance(expect, ExpectOptions):
        return
    if expect == []:
        raise ValueError(f"{key} is an empty list, so that no answer is good; leave it out")
    for one in expect if isinstance(expect, list) else [expect]:
        good = 100 <= one <= 599 if isinstance(one, int) else _CLASS.fullmatch(one)
        if not good:
            raise ValueError(
                f"{key}: {one!r} is no status; give a number such as 200, or a class such as 2xx"
            )


def _class(text: str) -> set[int]:
    first = int(text[0]) * 100
    return set(range(first, first + 100))


def status_problem(response: Response, good: frozenset[int]) -> str | None:
    """Say what is wrong with the status of an answer; ``None`` when nothing is."""
    return None if response.status in good else unexpected_status(response, good)


def unexpected_status(response: Response, good: frozenset[int]) -> str:
    """Write a status that does not count as answered well, with what the answer says of it.

    What was expected is said where the status alone does not tell what is wrong.
    """
    plain = max(good) < (300 if response.status < 400 else 400) <= response.status
    return failed_answer(response, "" if plain else f", not {_format_statuses(good)}")


@cache
def _format_statuses(good: frozenset[int]) -> str:
    """Write statuses for a message: ``2xx``, ``200 or 404``."""
    whole = [first for first in range(100, 600, 100) if good >= set(range(first, first + 100))]
    parts = [f"{first // 100}xx" for first in whole]
    parts += [str(status) for status in sorted(good) if status // 100 * 100 not in whole]
    *others, last = parts
    return f"{', '.join(others)} or {last}" if others else last


def check_names(key: str, names: Iterable[str]) -> None:
    """Refuse names that no template can use. Raises ValueError that begins with ``key``."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{key}: {name!r} is no name for templates; use letters, digits and _")


def check_capture(capture: Mapping[str, str]) -> None:
    """Refuse what cannot be captured. Raises ValueError with a sentence."""
    check_names("capture", capture)
    for source in capture.values():
        if _HEADER.fullmatch(source) is None:
            try:
                parse_path(source)
            except ValueError as problem:
                raise ValueError(f"capture: {problem}, or 'header NAME'") from None


def judge(
    expect: Expect | None,
    capture: Mapping[str, str],
    compiler: Compiler | None,
) -> Judge:
    """Compile what an answer must be, and what is captured of it.

    Raises :class:`TemplateError` for an expected value that is no template.
    """
    good = good_statuses(expect)
    options = expect if isinstance(expect, ExpectOptions) else ExpectOptions()
    largest = None if options.max_bytes is None else parse_size(options.max_bytes)
    too_large = f"the body has more than {_size(options.max_bytes)}"
    texts = [(text.encode(), _missing_text(text)) for text in options.texts]
    checks = [
        (
            path,
            parse_path(path, each=True),
            _condition(path, raw, compiler),
            None if may_be_missing(raw) else "is missing",
        )
        for path, raw in options.json.items()
    ]
    places = {name: parse_path(at) for name, at in capture.items() if not _HEADER.fullmatch(at)}
    headers = {
        name: header["name"].lower()
        for name, at in capture.items()
        if (header := _HEADER.fullmatch(at))
    }

    def judge_answer(response: Response, scope: Scope) -> str | None:
        problem = status_problem(response, good)
        if problem is not None:
            return problem
        if largest is not None and len(response.body) > largest:
            return too_large
        for text, sentence in texts:
            if text not in response.body:
                return sentence + _packed(response)
        if checks or places:
            try:
                document = response.json()
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _not_json(response)
            for path, segments, condition, missing in checks:
                for found in find_each(document, segments):
                    wrong = missing if found is MISSING else condition(found, scope)
                    if wrong is not None:
                        return f"{path} {wrong}"
            for name, segments in places.items():
                found = find(document, segments)
                if found is MISSING:
                    return f"the answer has no {capture[name]} to capture"
                scope.captured[name] = found
        if headers:
            return _take_headers(response, headers, scope)
        return None

    return judge_answer


def _take_headers(response: Response, headers: dict[str, str], scope: Scope) -> str | None:
    given = response.headers
    for name, header in headers.items():
        if header not in given:
            return f"the answer has no header {header!r} to capture"
        scope.captured[name] = given[header]
    return None


def _condition(
    path: str, raw: Any, compiler: Compiler | None
) -> Callable[[Any, Scope], str | None]:
    """Compile one condition; the value expected may be a template."""
    if isinstance(raw, str) and has_places(raw):
        make = value(raw, compiler).make
        return lambda found, scope: None if same(found, make(scope)) else f"is not {raw}"
    condition = parse_condition(raw)
    if is_secret_name(path):
        return lambda found, _: condition(found) and "is not what is expected"
    return lambda found, _: condition(found)


def _size(size: int | str | None) -> str:
    """Write a size as the config has it, but with a space before its unit."""
    if isinstance(size, int):
        return f"{size} bytes"
    return re.sub(r"(?<=[\d.])(?=[A-Za-z])", " ", (size or "").strip())


def _packed(response: Response) -> str:
    """Say of an answer that cannot be read that it came compressed, if it did.

    aiohttp has unpacked it, and leaves the header as it was.
    """
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return ""
    try:
        response.body.decode()
    except UnicodeDecodeError:
        return (
            f": it is compressed (content-encoding: {coding}); "
            "use client: aiohttp, or the header Accept-Encoding: identity"
        )
    return ""


def _missing_text(text: str) -> str:
    line = repr(hide_secrets(" ".join(text.split())))
    short = line if len(line) <= _LONGEST else f"{line[: _LONGEST - 2]}…'"
    return f"the body does not contain {short}"


def _not_json(response: Response) -> str:
    if not response.body:
        return "the answer is not JSON: it has no body"
    packed = _packed(response)
    if packed:
        return f"the answer is not JSON{packed}"
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    return (
        f"the answer is not JSON but {kind}"
        if kind and "json" not in kind
        else ("the answer is not JSON")
    )
