"""Signatures, verified against botocore's own signer."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from unittest import mock

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from aiobotocore.credentials import AioRefreshableCredentials
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.transport.aws.credentials import CredentialProvider, Credentials
from asyncload.transport.aws.sigv4 import Signer
from asyncload.transport.http.client import FastHttpClient

pytestmark = pytest.mark.slow

NOW = 1_800_000_000
CLIENT = FastHttpClient()


def by_botocore(method, url, headers, body, keys, region="us-west-2", service="sqs", now=NOW):
    """Return the headers botocore adds."""
    request = botocore.awsrequest.AWSRequest(method, url, headers, body)
    moment = dt.datetime.fromtimestamp(now, dt.UTC).replace(tzinfo=None)
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*keys), service, region)
    with mock.patch("botocore.auth.get_current_datetime", return_value=moment):
        signer.add_auth(request)
    names = ("X-Amz-Date", "X-Amz-Security-Token", "Authorization")
    return {name: request.headers[name] for name in names if name in request.headers}


def ours(template, body=b"", payload_hash=None):
    lines = template.sign(body, payload_hash).decode()
    assert lines.endswith("\r\n")
    return dict(line.split(": ", 1) for line in lines[:-2].split("\r\n"))


_word = st.text("abcdefghijklmnopqrstuvwxyz-0123456789", min_size=1, max_size=12)
_names = _word.map(lambda word: "X-" + word.title())
_values = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), max_size=30).filter(
    lambda value: not any(c in "\x7f\x85\x1c\x1d\x1e\x1f" for c in value)
)
_query = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "A", "", "é", "a b", "%20", "~"]) | st.text(max_size=6)
    ).flatmap(lambda key: st.tuples(st.just(key[0]), st.none() | st.text(max_size=6))),
    max_size=6,
).map(lambda pairs: "&".join(k if v is None else f"{k}={v}" for k, v in pairs))
_keys = st.tuples(
    st.text("ABCDEFGHIJ0123", min_size=1, max_size=20),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80),
    st.none() | st.text("abcXYZ/+=09", min_size=1, max_size=100),
)


@settings(deadline=None, max_examples=400)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "post"]),
    host=st.sampled_from(["sqs.us-west-2.amazonaws.com", "Localhost", "127.0.0.1", "[::1]"]),
    port=st.sampled_from(["", ":80", ":443", ":9324"]),
    scheme=st.sampled_from(["http", "https"]),
    path=st.text(max_size=25) | st.text("/.%ab~+ ", max_size=12),
    query=_query,
    headers=st.dictionaries(_names, _values, max_size=4),
    body=st.binary(max_size=60) | st.text(max_size=40).map(str.encode),
    keys=_keys,
    region=st.sampled_from(["us-west-2", "eu-central-1"]),
    service=st.sampled_from(["sqs", "sagemaker", "execute-api"]),
)
@example(
    "POST", "h", "", "http", "/a//b/../c/./", "b=2&a=&a&b=1", {}, b"", ("A", "s", None), "r", "s"
)
@example("POST", "h", "", "http", "", "", {"X-A": "  in  ner   "}, b"x", ("A", "s", "T"), "r", "s")
def test_the_signature_is_botocores(
    method, host, port, scheme, path, query, headers, body, keys, region, service
):
    url = f"{scheme}://{host}{port}/{path}?{query}"
    try:
        prepared = CLIENT.prepare(method, url, headers)
    except ConfigError:
        return
    signer = Signer(CredentialProvider.fixed(*keys), region, service, clock=lambda: NOW)
    found = ours(signer.template(method, prepared.target, prepared.host, headers), body)
    sent = f"{scheme}://{host}{port}{prepared.target}"
    assert found == by_botocore(method, sent, headers, body, keys, region, service)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 200_000), st.binary(max_size=50)), min_size=1, max_size=8))
def test_one_template_signs_many_bodies_across_seconds_and_days(moments):
    now = NOW
    provider = CredentialProvider.fixed("AKID", "secret", "token")
    signer = Signer(provider, "us-west-2", "sqs", clock=lambda: now)
    headers = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "AmazonSQS.SendMessage",
    }
    template = signer.template("POST", "/", "sqs.us-west-2.amazonaws.com", headers)
    for later, body in moments:
        now = NOW + later + 0.999
        expected = by_botocore(
            "POST",
            "https://sqs.us-west-2.amazonaws.com/",
            headers,
            body,
            ("AKID", "secret", "token"),
            now=int(now),
        )
        assert ours(template, body) == expected


def test_new_credentials_are_used_by_the_next_signature():
    provider = CredentialProvider.fixed("OLD", "old", "t")
    signer = Signer(provider, "us-west-2", "sqs", clock=lambda: NOW)
    template = signer.template("POST", "/", "h", {})
    assert ours(template) == by_botocore("POST", "http://h/", {}, b"", ("OLD", "old", "t"))
    provider.current = Credentials("NEW", "new")
    assert ours(template) == by_botocore("POST", "http://h/", {}, b"", ("NEW", "new", None))


def test_headers_that_proxies_change_are_not_signed():
    headers = {"User-Agent": "a", "Connection": "keep-alive", "traceparent": "x", "X-B": "c"}
    signer = Signer(CredentialProvider.fixed("A", "b"), "us-west-2", "sqs", clock=lambda: NOW)
    found = ours(signer.template("GET", "/", "h", headers))
    assert "SignedHeaders=host;x-amz-date;x-b," in found["Authorization"]
    assert found == by_botocore("GET", "http://h/", headers, b"", ("A", "b"))


def test_a_payload_hash_can_be_given_or_stand_in_a_header():
    signer = Signer(CredentialProvider.fixed("A", "b"), "us-west-2", "sqs", clock=lambda: NOW)
    plain = signer.template("PUT", "/", "h", {})
    digest = hashlib.sha256(b"body").hexdigest().encode()
    assert plain.sign(b"", digest) == plain.sign(b"body")
    headers = {"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}
    unsigned = ours(signer.template("PUT", "/", "h", headers), b"body")
    assert unsigned == by_botocore("PUT", "http://h/", headers, b"body", ("A", "b"))


@pytest.mark.parametrize("name", ["Authorization", "date", "X-Amz-Date", "X-Amz-Security-Token"])
def test_a_header_that_signing_sets_is_refused(name):
    signer = Signer(CredentialProvider.fixed("A", "b"), "r", "s")
    with pytest.raises(ConfigError, match=name):
        signer.template("GET", "/", "h", {name: "x"})


@pytest.mark.parametrize(
    ("code", "difference", "corrected"),
    [
        ("RequestTimeTooSkewed", 3600, True),
        ("RequestTimeTooSkewed", -3600, True),
        ("InvalidSignatureException", 240, True),
        ("InvalidSignatureException", 239, False),
        ("SignatureDoesNotMatch", 0, False),
        ("Throttling", 3600, False),
    ],
)
def test_the_clock_is_corrected_only_when_it_can_be_the_cause(code, difference, corrected):
    signer = Signer(CredentialProvider.fixed("A", "b"), "us-west-2", "sqs", clock=lambda: NOW)
    server = dt.datetime.fromtimestamp(NOW + difference, dt.UTC)
    date = server.strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert signer.correct_clock(code, date) is corrected
    assert signer.offset == (difference if corrected else 0)
    assert signer.correct_clock(code, date) is False  # it is right now
    stamp = ours(signer.template("GET", "/", "h", {}))["X-Amz-Date"]
    expected = NOW + signer.offset
    assert stamp == dt.datetime.fromtimestamp(expected, dt.UTC).strftime("%Y%m%dT%H%M%SZ")


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 99 Nov 2026 09:00:00 GMT"])
def test_an_unreadable_date_corrects_nothing(date):
    signer = Signer(CredentialProvider.fixed("A", "b"), "us-west-2", "sqs", clock=lambda: NOW)
    assert signer.correct_clock("RequestExpired", date) is False


def test_nothing_that_is_printed_shows_a_secret():
    provider = CredentialProvider.fixed("AKIDSHOWN", "S3CRET", "T0KEN")
    signer = Signer(provider, "r", "s")
    template = signer.template("GET", "/", "h", {})
    template.sign(b"")
    for thing in (provider, provider.current, signer, template):
        for text in (repr(thing), str(thing), f"{thing}"):
            assert not any(secret in text for secret in ("AKIDSHOWN", "S3CRET", "T0KEN"))


def refreshable(lifetimes, failing=False):
    """Return aiobotocore credentials that live for the given seconds, one after the other."""
    made = []

    async def refresh():
        if failing and made:
            raise RuntimeError("S3CRET endpoint down")
        number = len(made)
        made.append(number)
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=lifetimes[number])
        return {
            "access_key": f"KEY{number}",
            "secret_key": "s",
            "token": f"T{number}",
            "expiry_time": ends.isoformat(),
        }

    async def make():
        return AioRefreshableCredentials.create_from_metadata(
            await refresh(), refresh_using=refresh, method="test"
        )

    return make, made


def test_refreshable_credentials_are_refreshed_in_the_background(run):
    async def main():
        # Less than 15 minutes left: botocore refreshes at the next look.
        make, _ = refreshable([2, 7200])
        provider = await CredentialProvider.of(await make())
        try:
            async with asyncio.timeout(10):
                while provider.current.access_key != "KEY1":
                    await asyncio.sleep(0.01)
            return provider.current.token
        finally:
            await provider.close()

    assert run(main()) == "T1"


def test_credentials_far_from_their_end_are_left_alone(run):
    async def main():
        make, made = refreshable([7200])
        provider = await CredentialProvider.of(await make())
        await provider.refresh()
        await provider.close()
        return provider.current.access_key, made

    assert run(main()) == ("KEY0", [0])


def test_plain_botocore_credentials_work(run):
    async def main():
        source = botocore.credentials.Credentials("A", "b", "c")
        provider = await CredentialProvider.of(source)
        await provider.close()
        return provider.current

    assert run(main()) == Credentials("A", "b", "c")


@settings(deadline=None, max_examples=200)
@given(
    session=_values,
    before=st.sampled_from(["", "v1 ", " in  front of "]),
    model=_values,
    body=st.binary(max_size=30),
    later=st.integers(0, 2),
)
@example("", "v1 ", "", b"", 0)
def test_values_that_differ_from_request_to_request_are_signed_like_any_other(
    session, before, model, body, later
):
    now = NOW
    signer = Signer(
        CredentialProvider.fixed("A", "b", "t"), "us-west-2", "sagemaker", clock=lambda: now
    )
    path = "/endpoints/centerpoint/invocations"
    headers = {"X-Session": "mark0x", "Content-Type": "image/tiff", "X-Model": f"{before}mark1x!"}
    template = signer.template("POST", path, "h", headers, marks=["mark0x", "mark1x"])
    for _ in range(2):
        now += later
        lines = template.sign(body, None, [session.encode(), model.encode()]).decode()
        filled = headers | {"X-Session": session, "X-Model": f"{before}{model}!"}
        expected = by_botocore(
            "POST", f"http://h{path}", filled, body, ("A", "b", "t"), service="sagemaker", now=now
        )
        assert dict(line.split(": ", 1) for line in lines[:-2].split("\r\n")) == expected
