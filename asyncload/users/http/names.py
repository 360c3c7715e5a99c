"""What the requests of a config are called in the report, where they have no name of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from asyncload.transport.error_text import hide_secrets
from asyncload.users.http.http_options import ChainedRequestOptions, RequestOptions
from asyncload.users.templates.functions import text_of

_PLACE_OR_QUERY: Final = re.compile(r"\{\{.*?\}\}|(?P<query>\?)", re.DOTALL)


def names_of(requests: Sequence[RequestOptions]) -> list[list[str]]:
    """Give the names of each of ``requests`` and of those that follow in it.

    One without a name is called by method and path. Where that does not tell two of them apart and
    their queries do, the queries belong to the names.
    """
    chains = [[request, *request.then] for request in requests]
    queries: dict[str, set[str]] = {}
    for one in (request for row in chains for request in row if request.name is None):
        queries.setdefault(_short(one), set()).add(_query(one))

    def name(request: ChainedRequestOptions) -> str:
        if request.name is not None:
            return hide_secrets(request.name)
        short = _short(request)
        query = _query(request) if len(queries[short]) > 1 else ""
        return f"{short}?{query}" if query else short

    return [[name(request) for request in row] for row in chains]


def _short(request: ChainedRequestOptions) -> str:
    path, _ = _split(request.path)
    return hide_secrets(f"{request.method.upper()} {path or '/'}")


def _query(request: ChainedRequestOptions) -> str:
    _, query = _split(request.path)
    given = [query] if query else []
    for name, value in request.query.items():
        given += [
            f"{name}={text_of(one)}" for one in (value if isinstance(value, list) else [value])
        ]
    return hide_secrets("?" + "&".join(given))[1:]


def _split(path: str) -> tuple[str, str]:
    """Split a path at the first ``?`` that does not stand in a place."""
    for found in _PLACE_OR_QUERY.finditer(path):
        if found["query"]:
            return path[: found.start()], path[found.end() :]
    return path, ""
