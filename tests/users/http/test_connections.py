"""Connections of users: how often they are used, and what a URL says of who is asking."""

from __future__ import annotations

import asyncio
import json

import pytest

import asyncload
from asyncload import ConfigError, User, constant, load_config, task
from asyncload.transport.http.reuse import Reuse
from tests.transport.servers import OK, answering, serve
from tests.users.http.http_app import http, run

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("options", "most", "least"),
    [
        ({}, 1, 1),
        ({"keep_alive": False}, 11, 10),
        ({"headers": {"Connection": "close"}}, 11, 10),
        ({"max_requests_per_connection": 5}, 3, 2),
        ({"max_connection_age": "100ms"}, 4, 2),
        ({"idle_age": "10ms"}, 11, 8),
    ],
)
async def test_a_config_says_how_often_connections_are_used(options, most, least, tmp_path):
    async with serve(answering(OK)) as server:
        user = http(server.url, [{"path": "/"}], **options)
        records = await run(user, tmp_path, level=30, duration=0.34)
    assert {one.outcome for one in records} == {"ok"}
    assert least <= server.connections <= most


async def test_a_user_class_says_it_too(tmp_path):
    class Caller(User):
        wait = constant("20ms")
        reuse = Reuse(max_requests_per_connection=2)

        @task
        async def call(self) -> None:
            await self.http.get("/")

    async with serve(answering(OK)) as server:
        Caller.base_url = server.url
        records = await run(Caller, tmp_path, level=1, model="closed", duration=0.2)
    assert server.connections == (len(records) + 1) // 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"idle_age": 0}, "user.idle_age: is 0; give a number over 0"),
        ({"max_requests_per_connection": 0}, "user.max_requests_per_connection: is 0"),
        ({"keep_alive": False, "idle_age": "1s"}, "user.keep_alive: is false"),
        ({"idle_age": "1s", "client": "aiohttp"}, "user.client: is aiohttp"),
        ({"base_url": "http://ann:ge#heim@host"}, "user.base_url: is 'http://host'"),
    ],
)
async def test_what_makes_no_sense_is_refused(options, words):
    user = {"kind": "http", "base_url": "http://h", "requests": [{"path": "/"}], **options}
    load = {"shape": {"kind": "constant", "level": 1}, "duration": 1}
    with pytest.raises(ConfigError, match=words) as caught:
        await asyncload.run({"scenarios": [{"name": "s", "load": load, "user": user}]})
    assert "heim" not in str(caught.value)


async def test_a_request_that_was_sent_twice_says_so_in_the_log_and_the_summary(tmp_path):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(OK)
        await server.read(reader)  # and closes

    async with serve(handler) as server:
        user = http(server.url, [{"path": "/"}])
        load = {"shape": {"kind": "constant", "level": 10}, "duration": 0.25}
        result = await asyncload.run(
            {
                "scenarios": [
                    {"name": "s", "load": load, "user": {"kind": "http", **user.options}}
                ],
                "log": str(tmp_path / "run.jsonl"),
            },
        )
    requests = [
        record
        for line in (tmp_path / "run.jsonl").read_text().splitlines()
        if (record := json.loads(line))["type"] == "request"
    ]
    assert {one["outcome"] for one in requests} == {"ok"}
    resent = sum(one.get("resent", False) for one in requests)
    assert resent > 0
    assert result.summary.requests.resent == resent
    assert f"{resent} requests sent twice" in " ".join(str(result).split()) or resent == 1


async def test_a_password_in_a_base_url_is_sent_and_shown_nowhere(tmp_path, capsys):
    async def handler(server, reader, writer):
        await server.read(reader)
        writer.write(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        await asyncio.sleep(0.01)

    async with serve(handler) as server:
        url = server.url.replace("//", "//ann:geheim77@")
        user = {"kind": "http", "base_url": url, "requests": [{"path": "/"}]}
        load = {"shape": {"kind": "constant", "level": 10}, "duration": 0.2}
        config = {
            "scenarios": [{"name": "s", "load": load, "user": user}],
            "log": str(tmp_path / "run.jsonl"),
        }
        result = await asyncload.run(config)
    assert all(b"Basic YW5uOmdlaGVpbTc3" in head for head in server.heads)
    outputs = [str(result), repr(load_config(config)), *capsys.readouterr()]
    outputs.append((tmp_path / "run.jsonl").read_text())
    assert "401" in outputs[0]
    assert not any("YW5uOmdlaGVpbTc3" in output for output in outputs)
    assert not any("geheim77" in output for output in (outputs[0], *outputs[2:]))
