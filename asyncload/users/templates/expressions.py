"""Expressions of templates, compiled to closures.

Jinja2 reads the expression; what it means is worked out here, once, in
set-up. Filling a place is then one call of a closure, which takes a tenth of
the time of Jinja2's own rendering, and never runs anything but what this
module knows. Import it late: it needs jinja2.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import nodes

from asyncload.errors import ConfigError
from asyncload.users.templates.compiled import (
    Code,
    Maker,
    Scope,
    TemplateError,
    Varies,
    applied,
    constant,
    known,
    settled,
)
from asyncload.users.templates.functions import (
    DEFAULT,
    FILTERS,
    FUNCTIONS,
    NO_METHODS,
    PURE,
    RANDOM,
    RANDOM_FILE,
    join,
    plus,
    power,
    remainder,
    times,
    unknown,
)
from asyncload.users.templates.rows import near_names
from asyncload.users.templates.tables import Table, find_files, read_bytes

_BINARY: Final[Mapping[type[nodes.Expr], Callable[[Any, Any], Any]]] = {
    nodes.Add: plus,
    nodes.Sub: operator.sub,
    nodes.Mul: times,
    nodes.Div: operator.truediv,
    nodes.FloorDiv: operator.floordiv,
    nodes.Mod: remainder,
    nodes.Pow: power,
}
_UNARY: Final[Mapping[type[nodes.Expr], Callable[[Any], Any]]] = {
    nodes.Neg: operator.neg,
    nodes.Pos: operator.pos,
    nodes.Not: operator.not_,
}
_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda item, items: item in items,
    "notin": lambda item, items: item not in items,
}


class _Unset:
    """An environment variable that is not set, until a ``default`` stands behind it."""

    def __init__(self, name: str) -> None:
        self.name = name


class Compiler:
    """Compiles expressions of one request, with the names that it may use.

    ``captured`` are names that earlier requests of the iteration capture, ``None`` for a
    kind of user that captures nothing.
    ``find`` gives the path of a file's name. :attr:`uses_rows` tells
    whether anything compiled so far depends on the data row.
    """

    def __init__(
        self,
        table: Table | None,
        *,
        find: Callable[[str], Path],
        captured: frozenset[str] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.table = table
        self.uses_rows = False
        self._may_lack = False
        """Whether rows without the column are allowed: a ``default`` stands behind it."""
        self._captures = captured is not None
        self._captured = captured or frozenset()
        self._find = find
        self._environment = environment

    def compile(self, node: nodes.Expr) -> Code:
        """Compile an expression. Raises :class:`TemplateError` and ConfigError."""
        code = self._compile(node)
        if isinstance(value := known(code), _Unset):
            raise TemplateError(
                f"the environment variable {value.name} is not set; set it, or write "
                f"{{{{ env.{value.name} | default('…') }}}}"
            )
        return code

    def _compile(self, node: nodes.Expr) -> Code:
        kind = type(node)
        if isinstance(node, nodes.Const):
            return constant(node.value)
        if isinstance(node, nodes.TemplateData):
            return constant(node.data)
        if isinstance(node, nodes.Name):
            return self._name(node.name)
        if isinstance(node, nodes.Getattr | nodes.Getitem):
            return self._member(node)
        if isinstance(node, nodes.Call):
            return self._call(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, nodes.BinExpr) and kind in _BINARY:
            return applied(_BINARY[kind], self.compile(node.left), self.compile(node.right))
        if isinstance(node, nodes.UnaryExpr) and kind in _UNARY:
            return applied(_UNARY[kind], self.compile(node.node))
        if isinstance(node, nodes.Concat):
            return applied(lambda *texts: join(texts), *map(self.compile, node.nodes))
        if isinstance(node, nodes.List | nodes.Tuple):
            return applied(lambda *items: list(items), *map(self.compile, node.items))
        if isinstance(node, nodes.Dict):
            keys = [self.compile(pair.key) for pair in node.items]
            values = applied(lambda *v: v, *(self.compile(pair.value) for pair in node.items))
            return applied(lambda v, *k: dict(zip(k, v, strict=True)), values, *keys)
        if isinstance(node, nodes.Compare):
            return self._compare(node)
        if isinstance(node, nodes.And | nodes.Or | nodes.CondExpr):
            return self._choose(node)
        raise TemplateError(
            f"{kind.__name__.lower()} is more than a template can do here; use values, operators, "
            "functions and filters"
        )

    def _name(self, name: str) -> Code:
        table = self.table
        if name in self._captured:
            return Code(Varies.BY_ANSWER, lambda scope: scope.captured[name])
        if table is not None and name in table.names:
            return self._column(table, name)
        if name == "row" and table is not None:
            return self._row(table)
        if name in FUNCTIONS:
            raise TemplateError(f"{name} is a function; write {name}(…)")
        if name == "env":
            raise TemplateError("env is the environment as a whole; write env.NAME")
        names = [*(table.names if table is not None else ()), *sorted(self._captured)]
        if not names:
            nobody, remedy = ", and no request before this one captures it", " or a capture"
            if not self._captures:
                nobody = remedy = ""
            raise TemplateError(
                f"{name!r} is not known: there is no data{nobody}; add data: FILE{remedy}, or "
                "write text in quotes"
            )
        raise TemplateError(f"there is no column {name!r}; {near_names(name, names)}")

    def _column(self, table: Table, name: str) -> Code:
        self.uses_rows = True
        values = table.column(name).values
        if msgspec.UNSET in values and self._may_lack:
            values = [None if value is msgspec.UNSET else value for value in values]
        elif msgspec.UNSET in values:
            place = table.place(values.index(msgspec.UNSET))
            raise TemplateError(
                f"{place} of the data has no {name!r}; add it, or leave such rows out with "
                f"where: {{{name}: {{}}}}"
            )
        return Code(Varies.BY_ROW, lambda scope: values[scope.row], name)

    def _row(self, table: Table) -> Code:
        self.uses_rows = True
        columns = {name: table.column(name).values for name in table.names}

        def row(scope: Scope) -> dict[str, Any]:
            at = scope.row
            whole = {name: values[at] for name, values in columns.items()}
            return {name: value for name, value in whole.items() if value is not msgspec.UNSET}

        return Code(Varies.BY_ROW, row)

    def _member(self, node: nodes.Getattr | nodes.Getitem) -> Code:
        within = node.node.name if isinstance(node.node, nodes.Name) else None
        if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
            ends = [
                constant(None) if end is None else self.compile(end)
                for end in (node.arg.start, node.arg.stop, node.arg.step)
            ]
            return applied(lambda value, *ends: value[slice(*ends)], self.compile(node.node), *ends)
        member = constant(node.attr) if isinstance(node, nodes.Getattr) else self.compile(node.arg)
        key = known(member)
        if within == "env" and isinstance(key, str):
            value = self._environment.get(key)
            return constant(_Unset(key) if value is None else value)
        table = self.table
        if within == "row" and table is not None and isinstance(key, str):
            if key not in table.names:
                raise TemplateError(f"there is no column {key!r}; {near_names(key, table.names)}")
            return self._column(table, key)
        return applied(operator.getitem, self.compile(node.node), member)

    def _call(self, node: nodes.Call) -> Code:
        name = node.node.name if isinstance(node.node, nodes.Name) else None
        if name is None:
            raise TemplateError(NO_METHODS)
        if name not in FUNCTIONS:
            raise TemplateError(unknown("function", name, FUNCTIONS))
        arguments = self._arguments(node)
        if name == RANDOM_FILE:
            return self._random_file(arguments)
        if name in PURE:
            return applied(PURE[name], *arguments)
        function = RANDOM[name]
        makes = [argument.make for argument in arguments]
        varies = max([Varies.BY_REQUEST, *(argument.varies for argument in arguments)])
        if all(argument.varies is Varies.NEVER for argument in arguments):
            values = [make(None) for make in makes]
            return Code(varies, lambda scope: function(scope.rng, *values))
        return Code(varies, lambda scope: function(scope.rng, *[make(scope) for make in makes]))

    def _random_file(self, arguments: list[Code]) -> Code:
        pattern = known(arguments[0]) if len(arguments) == 1 else None
        if not isinstance(pattern, str):
            raise TemplateError(f"{RANDOM_FILE} takes a folder in quotes, and nothing else")
        try:
            found = find_files(self._find(pattern), key=RANDOM_FILE)
            files = [read_bytes(file, key=RANDOM_FILE) for file in found]
        except ConfigError as problem:
            raise TemplateError(str(problem)) from None
        return Code(Varies.BY_REQUEST, lambda scope: scope.rng.choice(files))

    def _filter(self, node: nodes.Filter) -> Code:
        if node.name not in FILTERS:
            raise TemplateError(unknown("filter", node.name, tuple(FILTERS)))
        assert node.node is not None  # that is for {% filter %} blocks
        if node.name == DEFAULT:
            self._may_lack = True
            value = self._compile(node.node)
            self._may_lack = False
            if isinstance(known(value), _Unset):
                value = constant(None)
        else:
            value = self.compile(node.node)
        return applied(FILTERS[node.name], value, *self._arguments(node))

    def _arguments(self, node: nodes.Call | nodes.Filter) -> list[Code]:
        if node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise TemplateError("arguments have no names here; write them in their order")
        return [self.compile(argument) for argument in node.args]

    def _compare(self, node: nodes.Compare) -> Code:
        left = self.compile(node.expr)
        result: Code | None = None
        for operand in node.ops:
            right = self.compile(operand.expr)
            one = applied(_COMPARISONS[operand.op], left, right)
            result = one if result is None else applied(lambda a, b: a and b, result, one)
            left = right
        assert result is not None
        return result

    def _choose(self, node: nodes.And | nodes.Or | nodes.CondExpr) -> Code:
        """Compile what looks at one side, and at the other only where it has to."""
        if isinstance(node, nodes.CondExpr):
            if node.expr2 is None:
                raise TemplateError("an if needs an else, for there must be a value either way")
            parts = [self.compile(one) for one in (node.test, node.expr1, node.expr2)]
            test, yes, no = (part.make for part in parts)
            return _chosen(parts, lambda scope: yes(scope) if test(scope) else no(scope))
        parts = [self.compile(node.left), self.compile(node.right)]
        first, second = (part.make for part in parts)
        if isinstance(node, nodes.And):
            return _chosen(parts, lambda scope: first(scope) and second(scope))
        return _chosen(parts, lambda scope: first(scope) or second(scope))


def _chosen(parts: list[Code], make: Maker) -> Code:
    return settled(Code(max(part.varies for part in parts), make))
