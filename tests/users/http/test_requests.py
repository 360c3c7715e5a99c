"""Requests of a config with places to be filled, against a real server."""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from email import message_from_bytes
from urllib.parse import parse_qs, unquote, urlsplit

import polars as pl
import pytest

import asyncload
from asyncload.config.convert import convert
from asyncload.users.http.http_options import RequestOptions
from asyncload.users.http.names import names_of
from tests.users.http.http_app import http, model_server, run

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROWS = "rev_id\tlang\tpage title\n123\ten\tAC/DC?\n456\tde\tÜber alles\n789\tfr\t100% & more\n"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text(ROWS, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_every_part_of_a_request_is_filled_from_one_row(client, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_API_TOKEN", "tök3n")
    wanted = {
        "method": "POST",
        "path": "/wiki/{{ row['page title'] }}/x?fixed=1",
        "query": {"lang": "{{ lang }}", "n": [1, "{{ rev_id }}"], "a b": "c&d"},
        "headers": {"X-Rev": "r{{ rev_id }}", "Host": "{{ lang }}.wikipedia.org"},
        "json": {
            "rev_id": "{{ rev_id }}",
            "lang": "{{ lang }}",
            "text": 'see "{{ row["page title"] }}"',
            "deep": [{"n": "{{ rev_id + 1 }}"}, 1.5, None, {}, []],
        },
    }
    options = {"headers": {"x-api-token": "{{ env.TEST_API_TOKEN }}"}, "data": rows}
    async with model_server() as server:
        user = http(server.url, [wanted], client=client, **options)
        records = await run(user, tmp_path)
    assert {one.outcome for one in records} == {"ok"}
    assert {one.name for one in records} == {"POST /wiki/{{ row['page title'] }}/x"}
    titles = {123: "AC/DC?", 456: "Über alles", 789: "100% & more"}
    langs = {123: "en", 456: "de", 789: "fr"}
    seen = set()
    for target, headers, body in zip(server.targets, server.headers, server.bodies, strict=True):
        sent = json.loads(body)
        rev_id = sent["rev_id"]
        seen.add(rev_id)
        title, lang = titles[rev_id], langs[rev_id]
        assert sent == {
            "rev_id": rev_id,
            "lang": lang,
            "text": f'see "{title}"',
            "deep": [{"n": rev_id + 1}, 1.5, None, {}, []],
        }
        path, _, query = target.partition("?")
        assert [unquote(part) for part in path.split("/")] == ["", "wiki", title, "x"]
        assert parse_qs(query, strict_parsing=True) == {
            "fixed": ["1"], "lang": [lang], "n": ["1", str(rev_id)], "a b": ["c&d"],
        }  # fmt: skip
        assert headers["x-rev"] == f"r{rev_id}"
        assert headers["host"] == f"{lang}.wikipedia.org"
        assert headers["content-type"] == "application/json"
        assert headers["x-api-token"].encode("utf-8", "surrogateescape").decode() == "tök3n"
    assert seen == {123, 456, 789}


@pytest.mark.parametrize("client", ["fast", "aiohttp"])
async def test_a_path_may_be_a_column_of_whole_paths(client, tmp_path):
    (tmp_path / "p.csv").write_text("path\n/a/b?x=1&y=ü\nc d\n")
    async with model_server() as server:
        user = http(
            server.url, [{"path": "{{ path }}"}], data=str(tmp_path / "p.csv"), client=client
        )
        await run(user, tmp_path)
    assert set(server.targets) == {"/a/b?x=1&y=%C3%BC", "/c%20d"}


async def test_headers_of_every_request_are_filled_anew_too(rows, tmp_path):
    headers = {"X-Id": "{{ uuid() }}", "X-Lang": "{{ lang }}"}
    requests = [{"path": "/a"}, {"path": "/b", "headers": {"x-lang": "own"}}]
    async with model_server() as server:
        await run(http(server.url, requests, headers=headers, data=rows), tmp_path)
    assert len({sent["x-id"] for sent in server.headers}) == 30
    langs = {
        path: {
            h["x-lang"] for h, t in zip(server.headers, server.targets, strict=True) if t == path
        }
        for path in ("/a", "/b")
    }
    assert langs == {"/a": {"en", "de", "fr"}, "/b": {"own"}}


async def test_a_row_as_a_whole_may_be_the_body(tmp_path):
    wanted = [{"lang": "en", "ids": [1, 2]}, {"lang": "de", "page_title": "Ü"}]
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, wanted)))
    request = {"method": "POST", "path": "/", "json": "{{ row }}"}
    async with model_server() as server:
        await run(http(server.url, [request], data=str(tmp_path / "r.jsonl")), tmp_path)
    assert {json.dumps(json.loads(body)) for body in server.bodies} == set(map(json.dumps, wanted))


async def test_prompts_as_wikimedia_sends_them(tmp_path):
    request = {
        "method": "POST",
        "path": "/openai/v1/completions",
        "headers": {"Host": "llm.experimental.wikimedia.org"},
        "json": {
            "model": "aya",
            "prompt": "{{ repeat('What is Wikipedia', random_int(5, 200), ' ') }}",
            "max_tokens": "{{ random_int(10, 1000) }}",
        },
    }
    async with model_server() as server:
        await run(http(server.url, [request]), tmp_path, level=200)
    sent = [json.loads(body) for body in server.bodies]
    times = [body["prompt"].count("What is Wikipedia") for body in sent]
    assert all(re.fullmatch(r"(What is Wikipedia ?)+", body["prompt"]) for body in sent)
    assert 5 <= min(times) < 30
    assert 170 < max(times) <= 200
    assert all(isinstance(body["max_tokens"], int) for body in sent)
    assert 10 <= min(b["max_tokens"] for b in sent) < 150
    assert 850 < max(b["max_tokens"] for b in sent) <= 1000


async def test_images_of_a_folder_go_into_json_as_base64_with_their_names(tmp_path):
    folder = tmp_path / "logos"
    folder.mkdir()
    images = {"a.jpg": b"\xff\xd8\xff", "b.png": b"\x89PNG"}
    for name, content in images.items():
        (folder / name).write_bytes(content)
    instance = {"filename": "{{ name }}", "image": "{{ base64 }}", "target": "logo"}
    request = {"method": "POST", "path": "/", "json": {"instances": [instance]}}
    async with model_server() as server:
        await run(http(server.url, [request], data=str(folder)), tmp_path)
    sent = [json.loads(body)["instances"][0] for body in server.bodies]
    assert {one["filename"]: base64.b64decode(one["image"]) for one in sent} == images


async def test_image_bodies_as_groundlight_sends_them(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDLIGHT_API_TOKEN", "api_123")
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8" * 200_000)
    request = {
        "method": "POST",
        "path": "/device-api/v1/image-queries",
        "query": {"detector_id": "{{ detector }}", "human_review": "NEVER"},
        "headers": {"Content-Type": "image/jpeg", "x-api-token": "{{ env.GROUNDLIGHT_API_TOKEN }}"},
        "body": "{{ random_file('CAT') }}".replace("CAT", str(tmp_path / "*.jpg")),
    }
    (tmp_path / "d.csv").write_text("detector\ndet_1\ndet_2\ndet_3\n")
    data = {"file": str(tmp_path / "d.csv"), "order": "split"}
    async with model_server() as server:
        user = http(server.url, [request], data=data, wait={"rate": 20})
        records = await run(user, tmp_path, level=5, model="closed", duration=0.5)
    assert {one.outcome for one in records} == {"ok"}
    assert set(server.bodies) == {b"\xff\xd8" * 200_000}
    assert {headers["x-api-token"] for headers in server.headers} == {"api_123"}
    assert {headers["content-type"] for headers in server.headers} == {"image/jpeg"}
    by_user = {}
    for record, target in zip(
        sorted(records, key=lambda one: one.start), server.targets, strict=True
    ):
        detector = parse_qs(urlsplit(target).query)["detector_id"][0]
        by_user.setdefault(record.user, Counter())[detector] += 1
    assert len(by_user) == 5


async def test_a_multipart_body_has_its_fields_and_files(rows, tmp_path):
    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8--x")
    request = {
        "method": "POST",
        "path": "/",
        "multipart": {
            "prompt": "what is it, {{ lang }}?",
            "image": {"file": str(tmp_path / "cat.jpg")},
            "mask": {
                "value": "{{ row['page title'] }}",
                "filename": '{{ lang }}"x.txt',
                "type": "text/x-mask",
            },
        },
    }
    async with model_server() as server:
        await run(http(server.url, [request], data=rows), tmp_path)
    seen = set()
    for headers, body in zip(server.headers, server.bodies, strict=True):
        head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
        prompt, image, mask = message_from_bytes(head + body).get_payload()
        lang = prompt.get_payload()[-3:-1]
        seen.add(lang)
        assert prompt["Content-Disposition"] == 'form-data; name="prompt"'
        assert image["Content-Disposition"] == 'form-data; name="image"; filename="cat.jpg"'
        assert image["Content-Type"] == "image/jpeg"
        assert image.get_payload(decode=True) == b"\xff\xd8--x"
        assert mask["Content-Disposition"] == f'form-data; name="mask"; filename="{lang}%22x.txt"'
        assert mask["Content-Type"] == "text/x-mask"
    assert seen == {"en", "de", "fr"}


async def test_the_same_seed_sends_the_same_and_another_one_does_not(rows, tmp_path):
    request = {
        "method": "POST",
        "path": "/{{ lang }}",
        "json": {"n": "{{ random_int(1, 1000000) }}", "id": "{{ uuid() }}", "rev": "{{ rev_id }}"},
    }
    sent = []
    for seed in (5, 5, 6):
        async with model_server() as server:
            user = http(server.url, [request], data=rows)
            await run(user, tmp_path, model="closed", level=1, duration=0.3, seed=seed)
            sent.append(server.bodies)
    number = min(map(len, sent))
    assert number > 10
    assert sent[0][:number] == sent[1][:number] != sent[2][:number]


async def test_rows_in_turn_go_to_all_users_together(tmp_path):
    (tmp_path / "n.csv").write_text("n\n" + "\n".join(map(str, range(10))))
    data = {"file": str(tmp_path / "n.csv"), "order": "sequential"}
    async with model_server() as server:
        user = http(server.url, [{"path": "/{{ n }}"}], data=data)
        await run(user, tmp_path, model="closed", level=3, duration=0.3)
    seen = Counter(server.targets)
    assert len(seen) == 10
    assert max(seen.values()) - min(seen.values()) <= 1


async def test_split_rows_are_each_sent_by_one_user_only(tmp_path):
    (tmp_path / "n.csv").write_text("n\n" + "\n".join(map(str, range(10))))
    data = {"file": str(tmp_path / "n.csv"), "order": "split"}
    request = {"name": "x", "path": "/{{ n }}", "headers": {"X-Row": "{{ n }}"}}
    async with model_server() as server:
        user = http(server.url, [request], data=data, wait="10ms")
        records = await run(user, tmp_path, model="closed", level=4, duration=0.5)
    assert set(server.targets) == {f"/{n}" for n in range(10)}
    # In the closed model each of 4 users sends row i, i + 4, i + 8, i, …
    assert len(records) == len(server.targets) > 40
    share = Counter(int(headers["x-row"]) % 4 for headers in server.headers)
    per_user = Counter(record.user for record in records)
    assert sorted(share.values()) == sorted(per_user.values())


async def test_requests_that_use_no_row_do_not_take_one(tmp_path):
    (tmp_path / "n.csv").write_text("n\n0\n1\n2\n")
    data = {"file": str(tmp_path / "n.csv"), "order": "sequential"}
    requests = [{"path": "/{{ n }}"}, {"path": "/health"}]
    async with model_server() as server:
        await run(http(server.url, requests, data=data), tmp_path, model="closed", level=1)
    rows = [target for target in server.targets if target != "/health"]
    assert rows[:6] == ["/0", "/1", "/2"] * 2


async def test_where_leaves_rows_out_and_parquet_keeps_types(tmp_path):
    texts = ["x" * 5, "y" * 20, "z" * 50]
    frame = pl.DataFrame({"text": texts, "weight": [0.5, 1.5, None]})
    frame.write_parquet(tmp_path / "t.parquet")
    data = {"file": str(tmp_path / "t.parquet"), "where": {"text": {"min_length": 10}}}
    request = {
        "method": "POST",
        "path": "/",
        "json": {"input": ["{{ text }}"], "w": "{{ weight }}"},
    }
    async with model_server() as server:
        await run(http(server.url, [request], data=data), tmp_path)
    sent = {body.decode() for body in server.bodies}
    assert sent == {
        f'{{"input":["{"y" * 20}"],"w":1.5}}', f'{{"input":["{"z" * 50}"],"w":null}}',
    }  # fmt: skip


async def test_files_are_found_beside_the_config(tmp_path, monkeypatch):
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "n.csv").write_text("n\n7\n")
    (folder / "body.bin").write_bytes(b"\x01")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    async with model_server() as server:
        (folder / "c.yaml").write_text(
            f"""
            scenarios:
              - load: {{shape: {{kind: constant, level: 20}}, duration: 0.2}}
                user:
                  kind: http
                  base_url: {server.url}
                  data: n.csv
                  requests:
                    - {{method: POST, path: "/{{{{ n }}}}", file: body.bin}}
                    - {{method: POST, path: /f, body: "{{{{ random_file('*.bin') }}}}"}}
            """
        )
        result = await asyncload.run(folder / "c.yaml", log=tmp_path / "log.jsonl")
    assert result.passed
    assert set(server.targets) == {"/7", "/f"}
    assert set(server.bodies) == {b"\x01"}


@pytest.mark.parametrize(
    ("requests", "names"),
    [
        (
            [{"path": "/echo/{{ 'a b/ü?' }}/x?y=1"}, {"method": "post", "path": "?y=1"}],
            [["GET /echo/{{ 'a b/ü?' }}/x"], ["POST /"]],
        ),
        (
            [{"path": "/x?m=a"}, {"path": "/x?m=b", "then": [{"path": "/y?m=b"}]}],
            [["GET /x?m=a"], ["GET /x?m=b", "GET /y"]],
        ),
        (
            [{"path": "/x", "query": {"m": ["a", 1]}}, {"path": "/x"}, {"path": "/x?n=2"}],
            [["GET /x?m=a&m=1"], ["GET /x"], ["GET /x?n=2"]],
        ),
        ([{"path": "/x?m=a"}, {"path": "/x?m=a", "body": "b"}], [["GET /x"], ["GET /x"]]),
        ([{"path": "/x?m=a", "name": "a"}, {"path": "/x?m=b"}], [["a"], ["GET /x"]]),
        (
            [{"path": "/x?token=s3cr3t"}, {"path": "/x?m=b"}],
            [["GET /x?token=***"], ["GET /x?m=b"]],
        ),
    ],
)
def test_requests_without_names_are_called_so_that_they_can_be_told_apart(requests, names):
    options = [convert(request, RequestOptions) for request in requests]
    assert names_of(options) == names


async def test_requests_that_differ_in_their_query_are_rows_of_their_own(tmp_path):
    async with model_server() as server:
        user = http(server.url, [{"path": "/x?m=a"}, {"path": "/x?m={{ random_int(1, 9) }}"}])
        records = await run(user, tmp_path)
    assert {one.name for one in records} == {"GET /x?m=a", "GET /x?m={{ random_int(1, 9) }}"}
