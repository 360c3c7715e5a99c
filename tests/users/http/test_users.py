"""HTTP users against a real server, from a config and from a class."""

from __future__ import annotations

import socket

import pytest

import asyncload
from asyncload import User, UserSpec, constant, task
from tests.users.http.http_app import http, model_server, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_requests_of_a_config_arrive_as_written(client, tmp_path):
    file = tmp_path / "image.bin"
    file.write_bytes(b"\x00\xff" * 100)
    wanted = [
        {"path": "/v1/models/m:predict", "method": "post", "json": {"rev_id": 1, "lang": "ü"}},
        {"path": "/raw", "method": "PUT", "body": "text", "headers": {"X-One": "1"}},
        {"path": "/file", "method": "POST", "file": str(file)},
        {"path": "/get?q=a b&q=%20"},
    ]
    async with model_server() as server:
        records = await run(
            http(server.url, wanted, headers={"X-All": "yes"}, client=client), tmp_path
        )
    assert len(records) == sum(server.seen.values()) == 30
    assert {one.outcome for one in records} == {"ok"}
    assert {one.status for one in records} == {200}
    assert {one.name for one in records} == {
        "POST /v1/models/m:predict", "PUT /raw", "POST /file", "GET /get",
    }  # fmt: skip
    bodies = set(server.bodies)
    assert bodies == {'{"rev_id":1,"lang":"ü"}'.encode(), b"text", b"\x00\xff" * 100, b""}
    assert all(headers["x-all"] == "yes" for headers in server.headers)
    assert all(one.first_byte is not None and one.first_byte <= one.end for one in records)
    as_json = [h for h, b in zip(server.headers, server.bodies, strict=True) if b[:1] == b"{"]
    assert {headers["content-type"] for headers in as_json} == {"application/json"}


async def test_requests_are_picked_by_weight(tmp_path):
    wanted = [{"path": "/often", "weight": 3}, {"path": "/seldom"}]
    async with model_server() as server:
        await run(http(server.url, wanted), tmp_path, level=800)
    share = server.seen["GET /often"] / sum(server.seen.values())
    assert share == pytest.approx(0.75, abs=0.08)


async def test_a_bad_status_is_a_failed_request_with_its_reason(tmp_path):
    async with model_server() as server:
        records = await run(http(server.url, [{"path": "/broken"}]), tmp_path)
    assert {(one.outcome, one.status, one.error) for one in records} == {
        ("failed", 503, "HTTP 503 Service Unavailable: no model")
    }


@pytest.mark.parametrize(("expect", "outcome"), [(201, "ok"), ([200, 204], "failed")])
async def test_expected_status_codes_decide(expect, outcome, tmp_path):
    async with model_server() as server:
        records = await run(http(server.url, [{"path": "/made", "expect": expect}]), tmp_path)
    assert {one.outcome for one in records} == {outcome}


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_server_that_never_answers_is_a_timeout(client, tmp_path):
    async with model_server() as server:
        user = http(server.url, [{"path": "/slow"}], timeout="200ms", client=client)
        records = await run(user, tmp_path, duration=0.2)
    assert {one.outcome for one in records} == {"timeout"}
    assert all(0.15 < one.end - one.start < 3 for one in records)


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_refused_connection_is_a_failed_request_that_names_the_place(client, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = http(f"http://127.0.0.1:{port}", [{"path": "/"}], client=client)
    records = await run(user, tmp_path, duration=0.2)
    assert {one.outcome for one in records} == {"failed"}
    assert all(f"127.0.0.1:{port}" in one.error for one in records)


async def test_aiohttp_follows_redirects_and_unpacks(tmp_path):
    async with model_server() as server:
        user = http(server.url, [{"path": "/moved"}, {"path": "/packed"}], client="aiohttp")
        records = await run(user, tmp_path)
    assert {one.outcome for one in records} == {"ok"}
    assert server.seen["GET /predict"] == server.seen["GET /moved"] > 0
    assert {one.bytes_in for one in records if one.name == "GET /packed"} == {1013}


async def test_a_redirect_is_a_failed_request_that_says_where_to(tmp_path):
    async with model_server() as server:
        records = await run(http(server.url, [{"path": "/moved"}]), tmp_path)
    reason = (
        "HTTP 302 Found to /predict: asyncload follows no redirect; send to that URL, or "
        "expect: 302 if this is the answer wanted"
    )
    assert {(one.outcome, one.status, one.error) for one in records} == {("failed", 302, reason)}
    assert server.seen["GET /predict"] == 0


@pytest.mark.parametrize("expect", ["3xx", 302, {"status": 302}, ["2xx", 302]])
async def test_a_redirect_that_is_expected_is_ok(expect, tmp_path):
    async with model_server() as server:
        records = await run(http(server.url, [{"path": "/moved", "expect": expect}]), tmp_path)
    assert {(one.outcome, one.status) for one in records} == {("ok", 302)}
    assert server.seen["GET /predict"] == 0


async def test_a_user_class_posts_and_reads_answers(tmp_path):
    class Caller(User):
        wait = constant(0.01)
        url = ""

        @task()
        async def classify(self) -> None:
            answer = await self.http.post(
                f"{self.url}/classify", json={"n": self.rng.random()}, name="classify"
            )
            assert answer.json()["label"] == "cat"
            await self.http.get(f"{self.url}/health", headers={"X-User": str(self.id)})

    async with model_server() as server:
        Caller.url = server.url
        records = await run(Caller, tmp_path, level=3, model="closed")
    assert {one.name for one in records} == {"classify", "GET /health"}
    assert {one.outcome for one in records} == {"ok"}
    assert {h["x-user"] for h in server.headers if "x-user" in h} == {"0", "1", "2"}
    assert len({body for body in server.bodies if body}) > 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "localhost", "requests": [{}]}, "base_url: is 'localhost'"),
        ({"base_url": "http://h", "requests": []}, "requests: is empty"),
        ({"base_url": "http://h", "requests": [{"weight": 0}]}, "requests.0.weight: is 0"),
        ({"base_url": "http://h", "requests": [{"json": 1, "body": "x"}]}, "exclude each other"),
        ({"base_url": "http://h", "requests": [{"file": "/no/such"}]}, "requests.0.file"),
        ({"base_url": "http://h", "requests": [{"headers": {"A B": "c"}}]}, "requests.0"),
        ({"base_url": "http://h", "requests": [{"pth": "/"}]}, "did you mean 'path'"),
        ({"base_url": "http://h", "requests": [{}], "tls": {"ca": "/no/ca.pem"}}, "/no/ca.pem"),
    ],
)
async def test_what_cannot_be_sent_is_refused_before_the_start(options, words, tmp_path):
    if "tls" in options:
        options["base_url"] = "https://h"
    with pytest.raises(asyncload.ConfigError, match=words):
        await run(UserSpec("http", options), tmp_path)
