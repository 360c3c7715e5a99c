"""Templates of requests: text with ``{{ … }}`` places, compiled into parts.

A part that never varies is bytes, one that varies only with the data row is
encoded for every row in set-up, and only the rest is worked out per request.
Jinja2 is imported where there is something to be filled.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import msgspec

from asyncload.users.templates.compiled import (
    Code,
    FirstRow,
    TemplateError,
    Varies,
    attempted,
    format_problem,
    has_places,
)
from asyncload.users.templates.functions import (
    FILTERS,
    FUNCTIONS,
    NO_METHODS,
    as_json,
    text_of,
    unknown,
)
from asyncload.users.templates.tables import Table

if TYPE_CHECKING:
    from jinja2 import Environment, nodes

    from asyncload.users.templates.expressions import Compiler

Part = bytes | Callable[[Any], bytes]
"""Some bytes of a request, or what makes them for a scope."""

_RETURN: Final = 0xE00D
"""A sign, or the next that a text has not, stands for a carriage return while Jinja2 reads the
text; it would take it for a line end."""
_SHOWN: Final = 60


class Form(NamedTuple):
    """How a value is written in its place. ``as_text`` takes a number as its file writes it."""

    encode: Callable[[Any], bytes]
    as_text: bool = True


def read(text: str) -> list[str | nodes.Expr]:
    """Read ``text`` into what stands as it is, and what is to be filled.

    Raises :class:`TemplateError` for what is no template, and for functions and
    filters that there are not.
    """
    if not has_places(text):
        return [text] if text else []
    from jinja2 import TemplateSyntaxError, nodes

    stand_in = next(sign for sign in map(chr, range(_RETURN, 0xF900)) if sign not in text)
    try:
        with _bounded_depth(text):
            tree = _environment().parse(text.replace("\r", stand_in))
    except TemplateSyntaxError as problem:
        if "{%" in text:
            raise _no_statements(text) from None
        reason = (problem.message or "it has a mistake").rstrip(".")
        raise TemplateError(f"{shown(text)} is no template: {reason}; mend it") from None
    pieces: list[str | nodes.Expr] = []
    for statement in tree.body:
        if not isinstance(statement, nodes.Output):
            raise _no_statements(text)
        for node in statement.nodes:
            if isinstance(node, nodes.TemplateData):
                pieces.append(node.data.replace(stand_in, "\r"))
            else:
                pieces.append(node)
    with _bounded_depth(text):
        _check_names(tree, text)
    return pieces


def compiler_of(
    texts: Iterable[str],
    table: Table | None,
    *,
    find: Callable[[str], Path],
    captured: frozenset[str] | None = None,
) -> Compiler | None:
    """Make a compiler where there is something in ``texts`` to compile: it needs jinja2."""
    if not any(map(has_places, texts)):
        return None
    from asyncload.users.templates.expressions import Compiler

    return Compiler(table, find=find, captured=captured)


def part(text: str, node: nodes.Expr, form: Form, compiler: Compiler | None) -> Part:
    """Compile one place of ``text``. Raises :class:`TemplateError`."""
    assert compiler is not None, "there is one where there are places"
    with _bounded_depth(text):
        try:
            return _part(compiler.compile(node), form, compiler.table)
        except TemplateError as problem:
            raise TemplateError(f"{shown(text)}: {problem}") from None


def parts(
    text: str, form: Form, compiler: Compiler | None, static: Callable[[str], bytes] = str.encode
) -> list[Part]:
    """Compile a text; ``static`` encodes what stands as it is. Raises :class:`TemplateError`."""
    return [
        static(piece) if isinstance(piece, str) else part(text, piece, form, compiler)
        for piece in read(text)
    ]


def joined(pieces: Iterable[Part]) -> Part:
    """Make one part of several: as few closures as there are places."""
    merged: list[Part] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            merged[-1] = last + piece
        else:
            merged.append(piece)
    if len(merged) == 1:
        return merged[0]
    static: list[Any] = merged[:]
    places = [(at, piece) for at, piece in enumerate(merged) if not isinstance(piece, bytes)]
    if not places:
        return b""

    def join(scope: Any) -> bytes:
        filled = static[:]
        for at, make in places:
            filled[at] = make(scope)
        return b"".join(filled)

    return join


def value(text: str, compiler: Compiler | None) -> Code:
    """Compile a text with places to a value: a text, or what it is where it is one place alone."""
    from jinja2 import nodes

    assert compiler is not None, "there is one where there are places"
    pieces = read(text)
    node = sole_place(pieces)
    if node is None:
        node = nodes.Concat([nodes.Const(one) if isinstance(one, str) else one for one in pieces])
    with _bounded_depth(text):
        try:
            return compiler.compile(node)
        except TemplateError as problem:
            raise TemplateError(f"{shown(text)}: {problem}") from None


def sole_place(pieces: Sequence[str | nodes.Expr]) -> nodes.Expr | None:
    """Give the expression of a text that is nothing but one place."""
    only = pieces[0] if len(pieces) == 1 else None
    return None if isinstance(only, str) else only


def shown(text: str) -> str:
    """Write a template in a message."""
    line = repr(text)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 2]}…'"


def _part(code: Code, form: Form, table: Table | None) -> Part:
    make, encode = code.make, form.encode
    if code.varies is Varies.NEVER:
        fixed: bytes = attempted(lambda scope: encode(make(scope)), None)
        return fixed
    if code.varies is Varies.BY_ROW:
        assert table is not None
        encoded = _by_row(code, form, table)
        return lambda scope: encoded[scope.row]

    def fill(scope: Any) -> bytes:
        return encode(make(scope))

    if code.varies is Varies.BY_REQUEST:
        attempted(fill, FirstRow())
    return fill


def _by_row(code: Code, form: Form, table: Table) -> list[bytes]:
    """Encode the value of an expression for every row. Equal texts share their bytes."""
    column = table.column(code.column) if code.column is not None else None
    ready: Sequence[Any] | None = None
    if column is not None:
        ready = column.texts if form.as_text and column.texts else column.values
    make, encode = code.make, form.encode
    row = FirstRow()
    known: dict[str, bytes] = {}

    def fill(at: int) -> bytes:
        row.row = at
        given = make(row) if ready is None else ready[at]
        if not isinstance(given, str):
            return encode(given)
        found = known.get(given)
        if found is None:
            found = known[given] = encode(given)
        return found

    encoded = []
    for at in range(table.count):
        try:
            encoded.append(fill(at))
        except Exception as problem:  # what an expression does is its author's business
            raise TemplateError(
                f"{table.place(at)} of the data: {format_problem(problem)}"
            ) from None
    return encoded


@cache
def _environment() -> Environment:
    from jinja2 import Environment

    # Comments are switched off: "{#" is text like any other.
    return Environment(
        autoescape=False,  # noqa: S701 - requests are no HTML
        keep_trailing_newline=True,
        comment_start_string="{\ue000#",
        comment_end_string="#\ue000}",
    )


@contextlib.contextmanager
def _bounded_depth(text: str) -> Iterator[None]:
    """Refuse a text that is nested more deeply than Python's stack."""
    try:
        yield
    except RecursionError:
        raise TemplateError(f"{shown(text)} is nested too deeply; write it more simply") from None


def _no_statements(text: str) -> TemplateError:
    return TemplateError(
        f"{shown(text)} has a {{% … %}} statement; only {{{{ … }}}} places are filled here, and "
        '{{ "{%" }} stands for the characters themselves'
    )


def _check_names(tree: nodes.Template, text: str) -> None:
    from jinja2 import nodes

    for call in tree.find_all(nodes.Call):
        if not isinstance(call.node, nodes.Name):
            raise TemplateError(f"{shown(text)}: {NO_METHODS}")
        if call.node.name not in FUNCTIONS:
            raise TemplateError(f"{shown(text)}: {unknown('function', call.node.name, FUNCTIONS)}")
    for applied in tree.find_all(nodes.Filter):
        if applied.name not in FILTERS:
            raise TemplateError(f"{shown(text)}: {unknown('filter', applied.name, tuple(FILTERS))}")


# -- forms ------------------------------------------------------------------------


def _json(given: Any) -> bytes:
    if isinstance(given, bytes):
        given = FILTERS["base64"](given)
    return as_json(given)


def _as_target(given: Any) -> bytes:
    path, mark, query = text_of(given).removeprefix("/").partition("?")
    text = quote(path, safe="/%:@!$&'()*+,;=-._~") + mark
    return (text + quote(query, safe="/%:@!$&'()*+,;=-._~?")).encode()


def _in_header(given: Any) -> bytes:
    line = text_of(given)
    if any(sign in line for sign in "\r\n\0"):
        raise ValueError("a header's value must be one line; take the line break out")
    return line.encode()


RAW: Final = Form(lambda given: given if isinstance(given, bytes) else text_of(given).encode())
"""In a body: text, and bytes as they are."""
JSON: Final = Form(_json, as_text=False)
"""A whole value of a JSON body; it keeps its type."""
IN_JSON_TEXT: Final = Form(lambda given: msgspec.json.encode(text_of(given))[1:-1])
"""Within a text of a JSON body."""
IN_URL: Final = Form(lambda given: quote(text_of(given), safe="").encode())
"""Within a path or a query: percent-encoded, the slash too."""
AS_TARGET: Final = Form(_as_target)
"""A path and query as a whole, behind the slash that it begins with."""
IN_HEADER: Final = Form(_in_header)
