"""What the tests of Lift Wing send: to each service its host and a body of its form."""

from __future__ import annotations

import base64
import csv
import json
import re
import shutil
import ssl

import anyio.to_thread
import pytest
import trustme

from tests.cli.command_line import ROOT
from tests.users.http.http_app import model_server

pytestmark = pytest.mark.slow

CONFIGS = ROOT / "configs" / "liftwing"
DATA = CONFIGS / "data"


@pytest.fixture
def gateway_tls(tmp_path):
    """The TLS of a gateway for all services, and the file of its authority."""
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return tls, file


SERVICES = {
    "revertrisk-language-agnostic": "revertrisk-language-agnostic.revertrisk",
    "revertrisk-multilingual": "revertrisk-multilingual.revertrisk",
    "readability": "readability.readability",
    "outlink-topic-model": "outlink-topic-model.articletopic-outlink",
    "article-country": "article-country.article-models",
    "logo-detection": "logo-detection.experimental",
    "qwen3-embedding": "embeddings.llm",
    "completions": "gemma2-27b-it.llm",
}


@pytest.mark.anyio
async def test_each_service_gets_its_host_and_its_form_through_a_tls_gateway(
    asyncload, gateway_tls
):
    tls, authority = gateway_tls
    shutil.copytree(CONFIGS, asyncload.folder / "liftwing")
    async with model_server(tls) as gateway:
        ended = await anyio.to_thread.run_sync(
            lambda: asyncload(
                "run", "liftwing", "--quiet", "--set=scenarios.0.load.duration=0.3s",
                "--set=scenarios.0.load.shape={kind: constant, level: 8}",
                f"--set=scenarios.0.user.tls.ca={authority}", "--set=scenarios.0.user.wait=2ms",
                LIFTWING_URL=gateway.url, MODEL_NAME="gemma2", HOST="gemma2-27b-it", NAMESPACE="llm",
            )
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, "")
        seen: dict[str, list[dict]] = {name: [] for name in SERVICES}
        rows = zip(gateway.targets, gateway.headers, gateway.bodies, strict=True)
        for target, headers, body in rows:
            found = re.fullmatch(r"/v1/models/(.+):predict|/openai/v1/(completions)", target)
            assert found is not None, target
            name = found[1] or found[2]
            assert headers["host"] == f"{SERVICES[name]}.wikimedia.org"
            assert headers["content-type"] == "application/json"
            seen[name].append(json.loads(body))
    assert gateway.seen.keys() <= {f"POST {target}" for target in gateway.targets}
    for name, bodies in seen.items():
        assert len(bodies) >= 20, name
        for body in bodies:
            FORMS[name](body)
    pages = seen["outlink-topic-model"]
    assert {frozenset(body) for body in pages} == {
        frozenset({"lang", "page_title"}),
        frozenset({"lang", "page_id"}),
    }
    assert len({body["max_tokens"] for body in seen["completions"]}) > 10


def table(name: str, delimiter: str) -> list[list[str]]:
    with (DATA / name).open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=delimiter))


def revision(name):
    rows = {(row[0], row[1]) for row in table(name, "\t")} - {("lang", "rev_id")}

    def check(body):
        assert body.keys() == {"rev_id", "lang"}
        assert isinstance(body["rev_id"], int)
        assert (body["lang"], str(body["rev_id"])) in rows

    return check


def page(body):
    rows = table("articles.csv", ",")[1:]
    assert body["lang"] == "en"
    if "page_id" in body:
        assert str(body["page_id"]) in {row[2] for row in rows}
        assert isinstance(body["page_id"], int)
    else:
        assert body["page_title"] in {row[1] for row in rows}


def country(body):
    assert [body.pop("lang"), body.pop("title")] in table("countries.csv", ",")
    assert not body


def image(body):
    [instance] = body.pop("instances")
    assert not body
    content = (DATA / "images" / instance["filename"]).read_bytes()
    assert base64.b64decode(instance["image"], validate=True) == content
    assert instance["target"] == "logo"
    assert instance.keys() == {"filename", "image", "target"}


def question(body):
    assert body.keys() == {"input"}
    [text] = body["input"]
    asked = text.partition("\nQuery: ")[2]
    assert 10 <= len(asked) <= 350
    assert asked in {row[1] for row in table("questions.csv", ",")}


def prompt(body):
    assert body.keys() == {"model", "prompt", "max_tokens"}
    assert body["model"] == "gemma2"
    times = (len(body["prompt"]) + 1) / len("What is Wikipedia ")
    assert body["prompt"] == " ".join(["What is Wikipedia"] * int(times))
    assert 5 <= times <= 200
    assert 10 <= body["max_tokens"] <= 1000


FORMS = {
    "revertrisk-language-agnostic": revision("revisions.tsv"),
    "revertrisk-multilingual": revision("revisions.tsv"),
    "readability": revision("recent_changes.tsv"),
    "outlink-topic-model": page,
    "article-country": country,
    "logo-detection": image,
    "qwen3-embedding": question,
    "completions": prompt,
}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("variables", "host"),
    [
        ({}, "llm.experimental"),
        ({"HOST": "aya"}, "aya.experimental"),
        ({"HOST": "aya", "NS": "llm", "NAMESPACE": "other"}, "aya.llm"),
    ],
    ids=str,
)
async def test_a_hugging_face_server_is_named_by_the_environment(asyncload, variables, host):
    async with model_server() as gateway:
        ended = await anyio.to_thread.run_sync(
            lambda: asyncload(
                "run", CONFIGS / "huggingface.yaml", "--quiet", "--log=run.jsonl",
                "--set=scenarios.0.load.duration=0.2s", LIFTWING_URL=gateway.url, **variables,
            )
        )  # fmt: skip
        assert (ended.returncode, ended.stderr) == (0, "")
        assert {headers["host"] for headers in gateway.headers} == {f"{host}.wikimedia.org"}


def test_check_says_where_connections_go(asyncload):
    for url, shown in (("", "a simulated server"), ("https://gw:30443", "https://gw:30443")):
        ended = asyncload("check", CONFIGS / "revertrisk.yaml", LIFTWING_URL=url)
        assert re.search(rf"^against +{shown} *$", ended.stdout, re.MULTILINE), ended.stdout


def test_every_family_has_the_load_of_the_old_harness():
    for path in CONFIGS.glob("*.yaml"):
        text = path.read_text()
        assert "shape: {kind: spawn, users: 2, spawn_rate: 10}" in text
        assert "duration: 120s" in text
        assert "wait: {between: [1s, 5s]}" in text
        assert f"name: {path.stem}\n" in text
