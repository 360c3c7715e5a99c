"""A failed answer says in one line what is wrong: in its service's words, and without secrets."""

from __future__ import annotations

import json
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.transport.http import failed_answer as module
from asyncload.transport.http.failed_answer import LONGEST, failed_answer
from asyncload.transport.http.http_errors import Timing
from asyncload.transport.http.response import Response

UNAVAILABLE = "HTTP 503 Service Unavailable"


@pytest.fixture(autouse=True)
def _nothing_read_yet():
    module._known.clear()


def answer(body=b"", status="503 Service Unavailable", **headers):
    if isinstance(body, dict | list):
        body = json.dumps(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")
    return Response(int(status[:3]), body, Timing(0.0), len(body), 0, head)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "no capacity left"}, ": no capacity left"),
        ({"message": "no capacity left"}, ": no capacity left"),
        ({"error": {"message": "no capacity left"}}, ": no capacity left"),
        # OpenAI and what speaks like it
        (
            {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}},
            " (rate_limit_exceeded): slow down",
        ),
        (
            {"object": "error", "message": "too long", "type": "BadRequestError", "code": 400},
            " (BadRequestError): too long",
        ),
        # Anthropic, Google
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
            " (overloaded_error): Overloaded",
        ),
        (
            {"error": {"code": 503, "message": "busy", "status": "RESOURCE_EXHAUSTED"}},
            " (RESOURCE_EXHAUSTED): busy",
        ),
        # FastAPI
        ({"detail": "Not Found"}, ": Not Found"),
        (
            {"detail": [{"loc": ["body", "text"], "msg": "Field required", "type": "missing"}]},
            ": body.text: Field required",
        ),
        (
            {"detail": [{"loc": ["body", i], "msg": "no number", "type": "int"} for i in range(9)]},
            ": body.0: no number; body.1: no number; body.2: no number; and 6 more",
        ),
        # problem details
        (
            {"type": "https://example.org/credit", "title": "Out of credit", "status": 403},
            ": Out of credit",
        ),
        ({"title": "Out of credit", "detail": "The balance is 30."}, ": The balance is 30."),
        # AWS, OAuth, Spring, Kubernetes, JSON:API
        (
            {"__type": "com.amazonaws.sagemaker#ThrottlingException", "Message": "Rate exceeded"},
            " (ThrottlingException): Rate exceeded",
        ),
        (
            {"error": "invalid_grant", "error_description": "it has expired"},
            " (invalid_grant): it has expired",
        ),
        ({"timestamp": 1, "status": 503, "error": "Service Unavailable", "path": "/x"}, ""),
        ({"kind": "Status", "message": "no pods", "reason": "Expired", "code": 410}, ": no pods"),
        ({"errors": [{"title": "a"}, {"detail": "b"}]}, ": a; b"),
        # no message that we know: the body itself
        ({"ready": False}, ': {"ready":false}'),
        ([], ": []"),
        ('"gone for lunch"', ": gone for lunch"),
        ("upstream connect error\r\n  or disconnect\n", ": upstream connect error or disconnect"),
        ("<html><head><title>Bad\n gateway</title></head><body>x</body></html>", ": Bad gateway"),
        ("<html><h1>No <b>healthy</b> upstream</h1></html>", ": No healthy upstream"),
        ("<html><title>503 Service Unavailable</title></html>", ""),
        ("<html><body>x</body></html>", ""),
        ("", ""),
    ],
)
def test_the_services_own_words_follow_the_status(body, message):
    assert failed_answer(answer(body)) == UNAVAILABLE + message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ""),
        (b"\x1f\x8b\x08" + bytes(range(128, 256)), ""),
        (b"caf\xe9 closed", ": caf� closed"),
        (b"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2Jtext\x9b", ": red text�"),
        (b'{"error": "\\u001b[2Jgone\\u0007 \\u202etxt\\u0000"}', ": gone txt"),
        (b'{"error": ' * 3000, None),
        (b"[" * 5000, None),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, None),
        (b"x" * 10_000_000, None),
        (b'{"error": "' + b"y" * 20_000 + b'"}', None),
        (b'{"error": "half', ': {"error": "half'),
        ("é".encode() * 9000, None),
    ],
)
def test_a_hostile_body_gives_one_clean_line(body, message):
    line = failed_answer(answer(body))
    assert line.isprintable()
    assert len(line) <= LONGEST
    assert line.startswith(UNAVAILABLE)
    if message is not None:
        assert line == UNAVAILABLE + message


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "loc", "msg", "x"]),
            inner,
            max_size=4,
        )
    ),
)


@settings(deadline=None, max_examples=200)
@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(str.encode)
    | nested.map(msgspec.json.encode)
)
def test_any_body_gives_one_clean_line(body):
    module._known.clear()
    line = failed_answer(answer(body, content_type="application/json"))
    assert line.isprintable()
    assert line == " ".join(line.split())
    assert len(line) <= LONGEST


SECRET = "s3cr3tvalue0123456789"


@pytest.mark.parametrize(
    "body",
    [
        {"error": f"password={SECRET}"},
        {"error": {"message": f"Authorization: Bearer {SECRET} is refused"}},
        {"api_key": SECRET, "ready": False},
        f"token: {SECRET}",
        {"detail": f"cannot reach https://me:{SECRET}@db/"},
        {"error": f"Incorrect API key provided: sk-proj-{SECRET}"},
        {"message": f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET} has expired"},
        {"error": f"pass\u001b[0mword={SECRET}"},
        f"<title>access_key={SECRET}</title>",
        {"error": {"code": f"sk-{SECRET}", "message": "refused"}},
        "x" * 190 + f" password={SECRET}",
    ],
)
def test_secrets_of_a_body_are_not_shown(body):
    assert SECRET[:6] not in failed_answer(answer(body))


@pytest.mark.parametrize("key", ["token", "sig", "code"])
def test_secrets_in_the_address_of_a_redirect_are_not_shown(key):
    address = f"https://me:{SECRET}@h/x?{key}={SECRET}"
    line = failed_answer(answer(status="302 Found", location=address))
    assert line.startswith("HTTP 302 Found to https://h/x?…: asyncload follows no redirect")
    assert SECRET not in line


@pytest.mark.parametrize(
    ("status", "location", "more"),
    [
        (
            "307 Temporary Redirect",
            "/predict",
            " to /predict: asyncload follows no redirect; send to that URL, or expect: 307",
        ),
        ("304 Not Modified", None, ": only 2xx counts as ok; expect: 304"),
    ],
)
def test_a_redirect_says_where_to_and_what_to_do(status, location, more):
    headers = {} if location is None else {"location": location}
    line = failed_answer(answer(status=status, **headers))
    assert line == f"HTTP {status}{more} if this is the answer wanted"


def test_the_remedy_of_a_redirect_survives_a_long_address():
    line = failed_answer(answer(status="308 Permanent Redirect", location="/" + "a" * 5000))
    assert line.endswith("or expect: 308 if this is the answer wanted")


def test_the_same_bytes_are_read_once(monkeypatch):
    asked = []
    read = module.body_message
    monkeypatch.setattr(module, "body_message", lambda one: asked.append(one) or read(one))
    lines = {failed_answer(answer({"error": "no capacity left"})) for _ in range(1000)}
    assert lines == {f"{UNAVAILABLE}: no capacity left"}
    assert len(asked) == 1


def test_bodies_that_differ_each_time_take_bounded_memory():
    for number in range(2000):
        failed_answer(answer(f"request {number}" + "x" * 1_000_000))
    kept = sum(sys.getsizeof(body) for _, body, _ in module._known)
    assert kept <= 256 * (module.READ + 100)
