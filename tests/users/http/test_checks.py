"""What is expected of answers and captured from them, against a real server."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from asyncload.errors import ConfigError
from tests.users.http.http_app import http, model_server, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def outcome(tmp_path, *, client="fast", **request):
    """Outcome and error of a request, which are the same each time."""
    async with model_server() as server:
        user = http(server.url, [request], client=client)
        records = await run(user, tmp_path, duration=0.2, level=20)
    (found,) = {(one.outcome, one.error) for one in records}
    return found


@pytest.mark.parametrize(
    "expect",
    [
        {"status": 200},
        {"status": [200, 201]},
        "2xx",
        ["2XX", 404],
        {"status": "2xx"},
        {"json": {"$.label": "cat"}},
        {"json": {"$.label": ["cat", "dog"], "$.confidence": {"min": 0, "max": 1}}},
        {"json": {"$.confidence": {}, "$": {"equals": {"label": "cat", "confidence": 0.9}}}},
        {"body_contains": ["label", "cat"]},
        {"body_contains": "confidence"},
        {"max_bytes": "1kB", "status": 200},
        {"json": {"$.predictions[*].score": {"min": 0, "when_present": True}}},
        {"json": {"$.label": {"not": ["dog", "bird"]}}},
    ],
)
async def test_an_answer_as_expected_is_ok(expect, tmp_path):
    assert await outcome(tmp_path, expect=expect) == ("ok", None)


@pytest.mark.parametrize(
    ("path", "expect", "reason"),
    [
        ("/", {"status": 201}, "HTTP 200 OK, not 201"),
        ("/", 201, "HTTP 200 OK, not 201"),
        ("/", [404, 201, 202], "HTTP 200 OK, not 201, 202 or 404"),
        ("/", ["4xx", 201], "HTTP 200 OK, not 4xx or 201"),
        ("/made", 200, "HTTP 201 Created, not 200"),
        ("/broken", 200, "HTTP 503 Service Unavailable: no model"),
        ("/broken", [200, 404], "HTTP 503 Service Unavailable, not 200 or 404: no model"),
        ("/broken", {"json": {"$.label": "cat"}}, "HTTP 503 Service Unavailable: no model"),
        ("/broken", {"status": 503, "json": {"$.error": "x"}}, "$.error is 'no model', not 'x'"),
        ("/", {"json": {"$.label": "dog"}}, "$.label is 'cat', not 'dog'"),
        ("/", {"json": {"$.predictions[*].score": {}}}, "$.predictions[*].score is missing"),
        ("/", {"json": {"$.label": {"not": "cat"}}}, "$.label is 'cat', which is not allowed"),
        (
            "/",
            {"json": {"$.predictions[0].score": {"min": 0}}},
            "$.predictions[0].score is missing",
        ),
        ("/", {"json": {"$.confidence": {"max": 0.5}}}, "$.confidence is above 0.5"),
        ("/", {"json": {"$.label": {"min": 0}}}, "$.label is a text, not a number"),
        ("/token", {"json": {"$.token": "x"}}, "$.token is not what is expected"),
        ("/", {"body_contains": ["label", "dog"]}, "the body does not contain 'dog'"),
        ("/", {"max_bytes": 10}, "the body has more than 10 bytes"),
        ("/", {"max_bytes": "10B"}, "the body has more than 10 B"),
        ("/packed", {"max_bytes": "0.01 kB"}, "the body has more than 0.01 kB"),
        ("/page", {"json": {"$.label": "cat"}}, "the answer is not JSON but text/html"),
        ("/empty", {"json": {"$.label": "cat"}}, "the answer is not JSON: it has no body"),
    ],
)
async def test_an_answer_that_is_not_as_expected_is_a_failed_request_that_says_why(
    path, expect, reason, tmp_path
):
    assert await outcome(tmp_path, path=path, expect=expect) == ("failed", reason)


@pytest.mark.parametrize(
    ("expect", "begins"),
    [
        ({"json": {"$.label": {}}}, "the answer is not JSON"),
        ({"body_contains": "xxx"}, "the body does not contain 'xxx'"),
    ],
)
async def test_an_answer_that_came_compressed_is_told_from_one_that_is_no_json(
    expect, begins, tmp_path
):
    request = {"path": "/packed", "headers": {"Accept-Encoding": "gzip"}, "expect": expect}
    reason = (
        f"{begins}: it is compressed (content-encoding: gzip); use client: aiohttp, or the header "
        "Accept-Encoding: identity"
    )
    assert await outcome(tmp_path, **request) == ("failed", reason)
    assert await outcome(tmp_path, client="aiohttp", **request) == ("ok", None)
    page = {"path": "/", "expect": {"json": {"$.label": "dog"}}}
    assert await outcome(tmp_path, **page) == ("failed", "$.label is 'cat', not 'dog'")


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_captured_path_never_leads_to_another_host(client, tmp_path):
    flow = {
        "path": "/token",
        "capture": {"token": "$.token", "user": "$.user"},
        "then": [{"path": "{{ '@evil.invalid/' ~ token }}"}, {"path": "{{ '//evil.invalid' }}"}],
    }
    async with model_server() as server:
        records = await run(http(server.url, [flow], client=client), tmp_path, duration=0.02)
    assert {one.outcome for one in records} == {"ok"}
    assert server.targets == ["/token", "/@evil.invalid/t1", "//evil.invalid"]


async def test_what_is_expected_may_come_from_the_row(tmp_path):
    (tmp_path / "r.csv").write_text("image,label\na,cat\nb,dog\n")
    request = {
        "path": "/",
        "query": {"i": "{{ image }}"},
        "expect": {"json": {"$.label": "{{ label }}"}},
    }
    async with model_server() as server:
        records = await run(http(server.url, [request], data=str(tmp_path / "r.csv")), tmp_path)
    assert {one.error for one in records} == {None, "$.label is not {{ label }}"}
    asked_for_dog = sum("i=b" in target for target in server.targets)
    assert asked_for_dog == sum(one.outcome == "failed" for one in records)


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_later_requests_use_what_earlier_ones_captured(client, tmp_path):
    login = {
        "name": "login",
        "path": "/token",
        "capture": {"token": "$.token", "id": "$.user.id", "etag": "header ETag"},
        "then": [
            {
                "name": "use",
                "method": "POST",
                "path": "/use",
                "headers": {"X-Token": "{{ token }}", "If-Match": "{{ etag }}"},
                "json": {"id": "{{ id }}", "text": "user {{ id }}"},
            },
            {"name": "leave", "path": "/users/{{ id }}"},
        ],
    }
    async with model_server() as server:
        records = await run(http(server.url, [login], client=client), tmp_path)
    assert {one.outcome for one in records} == {"ok"}
    assert len(server.tokens) == server.given == 30
    assert set(server.tokens.values()) == {1}
    used = [(h, b) for h, b in zip(server.headers, server.bodies, strict=True) if "x-token" in h]
    for headers, body in used:
        number = headers["x-token"].removeprefix("t")
        assert headers["if-match"] == f'"{number}"'
        assert body == f'{{"id":{number},"text":"user {number}"}}'.encode()
    assert {f"/users/{n}" for n in range(1, 31)} <= set(server.targets)


async def test_a_value_of_let_is_the_same_in_all_places_of_a_request_and_another_in_the_next(
    tmp_path,
):
    request = {
        "method": "POST",
        "path": "/use",
        "let": {"n": "{{ random_int(1, 10**9) }}", "double": "{{ 2 * n }}", "word": "fixed"},
        "headers": {"X-Token": "{{ n }}"},
        "json": {"n": "{{ n }}", "double": "{{ double }}", "word": "{{ word }}"},
    }
    async with model_server() as server:
        await run(http(server.url, [request]), tmp_path)
    sent = [json.loads(body) for body in server.bodies]
    assert len({body["n"] for body in sent}) == len(sent) > 5
    for body, headers in zip(sent, server.headers, strict=True):
        assert (str(body["n"]), body["word"]) == (headers["x-token"], "fixed")
        assert body["double"] == 2 * body["n"]


@pytest.mark.parametrize(
    ("let", "words"),
    [
        ({"row": "1"}, "let: 'row' is a name of templates already"),
        ({"a b": "1"}, "let: 'a b' is no name for templates"),
        ({"a": "{{ b }}"}, "'b' is not known"),
    ],
)
async def test_a_name_of_let_that_cannot_be_used_is_refused(let, words, tmp_path):
    with pytest.raises(ConfigError, match=re.escape(words)):
        await run(http("http://127.0.0.1:9", [{"path": "/{{ a }}", "let": let}]), tmp_path)


async def test_requests_of_an_iteration_follow_each_other_and_only_the_first_waits_for_its_due_time(
    tmp_path,
):
    flow = {
        "name": "a",
        "path": "/a",
        "then": [{"name": "b", "path": "/b"}, {"name": "c", "path": "/c"}],
    }
    async with model_server() as server:
        records = await run(
            http(server.url, [flow]), tmp_path, model="closed", level=1, duration=0.2
        )
    records.sort(key=lambda one: one.start)
    assert [one.name for one in records] == ["a", "b", "c"] * (len(records) // 3)
    for before, after in itertools.pairwise(records):
        assert before.end <= after.start
    assert all(one.due == one.start for one in records if one.name != "a")


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        ({"path": "/token", "capture": {"x": "$.nope"}}, "the answer has no $.nope to capture"),
        (
            {"path": "/", "capture": {"x": "header X-No"}},
            "the answer has no header 'x-no' to capture",
        ),
        ({"path": "/page", "capture": {"x": "$.x"}}, "the answer is not JSON but text/html"),
        ({"path": "/broken"}, "HTTP 503 Service Unavailable: no model"),
        ({"path": "/", "expect": {"json": {"$.label": 1}}}, "$.label is 'cat', not 1"),
    ],
)
async def test_an_iteration_ends_with_the_first_request_that_fails(first, reason, tmp_path):
    flow = {"name": "first", **first, "then": [{"path": "/next"}]}
    async with model_server() as server:
        records = await run(http(server.url, [flow]), tmp_path, duration=0.2)
    assert {(one.name, one.outcome, one.error) for one in records} == {("first", "failed", reason)}
    assert server.seen["GET /next"] == 0


async def test_a_capture_that_cannot_be_put_in_is_a_failed_request_and_not_the_end(tmp_path):
    flow = {
        "path": "/token",
        "capture": {"token": "$.token"},
        "then": [{"name": "bad", "path": "/", "headers": {"X-N": "{{ token | int }}"}}],
    }
    async with model_server() as server:
        records = await run(http(server.url, [flow]), tmp_path)
    bad = [one for one in records if one.name == "bad"]
    assert len(bad) == server.given == 30
    assert {(one.outcome, one.status) for one in bad} == {("failed", None)}
    assert all("the request cannot be made: ValueError: int: the value" in one.error for one in bad)
    assert {one.start for one in bad} == {None}, "it never went out, so it has no latency"
