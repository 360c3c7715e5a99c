"""Cookies of users, Unix sockets, encrypted keys."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from asyncload import ConfigError, load_config
from asyncload.engine.setup import resolve_user
from tests.users.http.http_app import http, run

pytestmark = pytest.mark.anyio


@pytest.fixture
def short():
    """A folder with a short path: that of a socket may have 104 bytes."""
    with tempfile.TemporaryDirectory(prefix="al") as folder:
        yield Path(folder)


async def serving(app, site_of):
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = site_of(runner)
    await site.start()
    return runner, site


class Shop:
    """Sets a cookie for each who has none, and one for another path; counts who comes back."""

    def __init__(self):
        self.visits = Counter()
        self.given = 0

    async def answer(self, request):
        response = web.json_response({})
        session = request.cookies.get("session")
        self.visits[session] += 1
        if session is None:
            self.given += 1
            response.set_cookie("session", f"s{self.given}", httponly=True)
            response.set_cookie("elsewhere", "1", path="/other", max_age=60)
            response.headers.add("Set-Cookie", "date=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT")
        else:
            assert request.cookies.get("date") == "1"
            assert "elsewhere" not in request.cookies
        return response

    @property
    def app(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app


async def test_each_user_has_a_jar_of_its_own(tmp_path):
    shop = Shop()
    runner, site = await serving(shop.app, lambda runner: web.TCPSite(runner, "127.0.0.1", 0))
    port = site._server.sockets[0].getsockname()[1]
    user = http(f"http://127.0.0.1:{port}", [{"path": "/page"}], cookies=True, wait="20ms")
    records = await run(user, tmp_path, level=3, model="closed", duration=0.5)
    await runner.cleanup()
    assert {one.outcome for one in records} == {"ok"}
    assert shop.visits.pop(None) == shop.given == 3
    assert set(shop.visits) == {"s1", "s2", "s3"}


async def test_without_it_no_cookie_is_kept(tmp_path):
    shop = Shop()
    runner, site = await serving(shop.app, lambda runner: web.TCPSite(runner, "127.0.0.1", 0))
    port = site._server.sockets[0].getsockname()[1]
    user = http(f"http://127.0.0.1:{port}", [{"path": "/page"}], wait="20ms")
    records = await run(user, tmp_path, level=1, model="closed", duration=0.2)
    await runner.cleanup()
    assert shop.visits == {None: len(records)}


async def test_a_unix_socket_is_a_base_url(tmp_path, short):
    seen = []

    async def answer(request):
        seen.append((request.raw_path, request.headers["Host"]))
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    path = short / "model.sock"
    runner, _ = await serving(app, lambda runner: web.UnixSite(runner, str(path)))
    user = http(f"unix:{path}", [{"path": "/v1/a b?x=1"}])
    records = await run(user, tmp_path, level=20, duration=0.3)
    await runner.cleanup()
    assert {one.outcome for one in records} == {"ok"}
    assert {one.name for one in records} == {"GET /v1/a b"}
    assert set(seen) == {("/v1/a%20b?x=1", "localhost")}


async def test_a_socket_that_is_not_there_is_named(tmp_path):
    user = http(f"unix:{tmp_path}/none.sock", [{"path": "/"}])
    with pytest.raises(
        Exception, match=r"No connection to unix:.*none.sock: there is no such socket"
    ):
        await run(user, tmp_path, level=20, duration=0.3, probe=True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "unix:model.sock"}, ("base_url: is 'unix:model.sock'; give unix: and the whole "
                                          "path of a socket")),
        ({"cookies": True, "headers": {"cookie": "a=1"}}, ("cookies: is true, and headers has a Cookie "
                                                          "of its own; keep one of them")),
        ({"cookies": True, "client": "aiohttp"}, ("cookies: is true, which the fast backend does; "
                                                 "leave out client")),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(options, sentence):
    user = {"kind": "http", "base_url": "http://here", "requests": [{"path": "/"}]} | options
    load = {"shape": {"kind": "constant", "level": 1}, "duration": "1s"}
    config = load_config({"scenarios": [{"load": load, "user": user}]})
    with pytest.raises(ConfigError) as refused:
        resolve_user(config.plan.scenarios[0], 0)
    assert str(refused.value) == f"scenarios.0.user.{sentence}"
