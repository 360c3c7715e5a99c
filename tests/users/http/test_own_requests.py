"""Requests of a user class: base URL, parameters, and what they are called."""

from __future__ import annotations

import datetime as dt
import uuid

import msgspec
import numpy as np
import pytest

import asyncload
from asyncload import User, UserSpec, constant, task
from asyncload.users.http.paths import joined, usual_name, with_parameters
from tests.users.http.http_app import model_server, run

pytestmark = pytest.mark.anyio


class Reader(User):
    wait = constant("20ms")

    @task
    async def read(self) -> None:
        await self.http.get(f"/users/{self.rng.randrange(10**6)}", params={"q": "a b&c", "n": 2})
        await self.http.post("v1/models/cat:predict", json={"x": 1})
        await self.http.get("/users/7", name="seven")
        elsewhere = f"{self.http.base_url.removesuffix('/').removesuffix('/api')}/items/{uuid.UUID(int=7)}.json"
        await self.http.get(elsewhere)


class Address(msgspec.Struct):
    base_url: str


class Configured(Reader):
    Options = Address
    base_url = "http://127.0.0.1:1"


NAMES = {"GET /users/{id}", "POST /v1/models/cat:predict", "seven", "GET /items/{id}.json"}


async def test_paths_are_appended_to_the_base_url_of_the_class(tmp_path):
    async with model_server() as server:
        there = type("There", (Reader,), {"base_url": f"{server.url}/api"})
        records = await run(there, tmp_path, level=2, model="closed")
    assert {one.outcome for one in records} == {"ok"}
    assert {one.name for one in records} == NAMES
    assert all(target.startswith(("/api/", "/items/0000")) for target in server.targets)
    users = [
        target for target in server.targets if target.startswith("/api/users/") and "?" in target
    ]
    assert len(set(users)) > 10
    assert {target.partition("?")[2] for target in users} == {"q=a%20b%26c&n=2"}


async def test_an_option_of_that_name_wins_over_the_class(tmp_path):
    async with model_server() as server:
        user = UserSpec(f"{__name__}:Configured", {"base_url": f"{server.url}/api/"})
        records = await run(user, tmp_path, level=1, model="closed")
    assert {one.outcome for one in records} == {"ok"}
    assert not [target for target in server.targets if "//" in target]


async def test_a_user_may_go_to_another_place(tmp_path):
    class Roaming(User):
        places = ()

        @task
        async def read(self) -> None:
            for place in self.places:
                self.http.base_url = place
                await self.http.get("/where")

    async with model_server() as one, model_server() as other:
        Roaming.places = (one.url, other.url)
        await run(Roaming, tmp_path)
    assert one.seen["GET /where"] == other.seen["GET /where"] > 10


@pytest.mark.parametrize(
    ("base_url", "call", "sentence"),
    [
        (None, {"url": "/x?key=1"}, ("is a path, and self.http has no base_url; write base_url = "
                                    "'http://host:port' in the user class, or give the whole URL")),
        ("http://127.0.0.1:1", {"url": "/x", "params": {"at": dt.date(2026, 1, 2)}},
         "params: at is datetime.date(2026, 1, 2); give a text, a number, True, False or None"),
    ],
)  # fmt: skip
async def test_what_cannot_be_sent_is_a_failed_request_in_one_sentence(
    base_url, call, sentence, tmp_path
):
    class Lost(User):
        @task
        async def read(self) -> None:
            await self.http.get(**call)

    Lost.base_url = base_url or ""
    records = await run(Lost, tmp_path, duration=0.1)
    assert {one.outcome for one in records} == {"failed"}
    assert all(sentence in one.error for one in records)


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://h", "http://h?x=1", "local"])
async def test_a_base_url_that_is_none_is_refused_before_the_start(url, tmp_path):
    kind = type("There", (Reader,), {"base_url": url})
    with pytest.raises(asyncload.ConfigError) as refused:
        await run(kind, tmp_path)
    assert str(refused.value) == (
        f"scenarios.0.user: base_url of There is {url!r}; give http://host:port"
    )


async def test_a_base_url_that_is_none_is_refused_when_a_user_sets_it(tmp_path):
    class Wrong(User):
        @task
        async def read(self) -> None:
            self.http.base_url = "nowhere"

    records = await run(Wrong, tmp_path, duration=0.1)
    assert all("base_url is 'nowhere'; give http://host:port" in one.error for one in records)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("", "/"),
        ("?q=1", "/"),
        ("/", "/"),
        ("/users/42", "/users/{id}"),
        ("users/42/", "/users/{id}/"),
        ("/users/-42/posts/7?page=3#top", "/users/{id}/posts/{id}"),
        ("/a/2026-01-02/b/12.5,-7.1/10:30", "/a/{id}/b/{id}/{id}"),
        ("/jobs/8d8ac610-566d-4ef0-9c22-186b2a5ed793", "/jobs/{id}"),
        ("/jobs/8D8AC610-566D-4EF0-9C22-186B2A5ED793.tar.gz", "/jobs/{id}.tar.gz"),
        ("/o/507f1f77bcf86cd799439011", "/o/{id}"),
        ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/{id}"),
        ("/v1/models/42:predict", "/v1/models/{id}:predict"),
        ("/7/42.json", "/{id}/{id}.json"),
        ("http://me:secret@host:80/users/42?x=1", "/users/{id}"),
        ("http://host", "/"),
        # What people call things stays.
        ("/v2/models/llama-3-8b/versions/1.2b", "/v2/models/llama-3-8b/versions/1.2b"),
        ("/resnet50:predict", "/resnet50:predict"),
        (
            "/2fa/deadbeef/a1/facade/aaaaaaaaaaaaaaaaaaaa",
            "/2fa/deadbeef/a1/facade/aaaaaaaaaaaaaaaaaaaa",
        ),
    ],
)
def test_ids_are_folded_in_the_name_of_a_request(path, name):
    assert usual_name("GET", path) == f"GET {name}"


def test_paths_stay_on_the_host_of_the_base_url():
    assert joined("http://h", "//elsewhere/x") == "http://h//elsewhere/x"
    assert joined("http://h", "@elsewhere") == "http://h/@elsewhere"
    assert joined("http://h", ":81/x") == "http://h/:81/x"
    assert joined("http://h/a/", "?x=1") == "http://h/a?x=1"
    assert joined("http://h/a", "") == "http://h/a"
    assert joined("http://h", "HTTPS://other/x") == "HTTPS://other/x"


def test_parameters_are_encoded_and_lists_give_one_several_times():
    given = {"ä b": "x/y", "n": [1, 2.5, np.int64(3)], "yes": True, "no": None, "none": []}
    assert with_parameters("/p", given) == ("/p?%C3%A4%20b=x%2Fy&n=1&n=2.5&n=3&yes=true&no=")
    assert with_parameters("/p?a=1", {"b": 2}) == "/p?a=1&b=2"
    assert with_parameters("/p", {}) == "/p"


async def test_only_2xx_is_ok_unless_the_call_says_what_is(tmp_path):
    class Redirected(User):
        wait = constant("20ms")

        @task
        async def go(self) -> None:
            for expect in (None, 302, "3xx", ["2xx", 503]):
                answer = await self.http.get("/moved", name=str(expect), expect=expect)
                assert answer.status == 302

    async with model_server() as server:
        there = type("There", (Redirected,), {"base_url": server.url})
        records = await run(there, tmp_path, level=2, model="closed")
    assert {(one.name, one.outcome) for one in records} == {
        ("None", "failed"),
        ("302", "ok"),
        ("3xx", "ok"),
        ("['2xx', 503]", "failed"),
    }
    reasons = {one.name: one.error for one in records}
    assert reasons["None"].startswith("HTTP 302 Found to /predict: asyncload follows no redirect; ")
    assert reasons["['2xx', 503]"] == "HTTP 302 Found, not 2xx or 503"
