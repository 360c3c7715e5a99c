"""TLS good and bad, client certificates, names apart from addresses, proxies."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from asyncload.errors import ConfigError
from asyncload.transport.http.client import FastHttpClient
from asyncload.transport.http.connector import proxy_for
from asyncload.transport.http.http_errors import ConnectFailed, ConnectionClosed, RequestTimeout
from asyncload.transport.http.pool import Timeouts
from asyncload.transport.http.tls import TlsSettings
from tests.transport.servers import OK, answering, nothing_left_open, serve


def served(authority, *names):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_a_private_ca_is_trusted_by_its_file_and_the_connection_kept(
    run, authority, authority_file
):
    async def main():
        tls = TlsSettings(verify=authority_file)
        context = served(authority, "127.0.0.1")
        async with (
            nothing_left_open(),
            serve(answering(OK), context) as server,
            FastHttpClient(tls=tls) as client,
        ):
            prepared = client.prepare("POST", f"https://127.0.0.1:{server.port}/")
            found = [(await client.send(prepared, b"x" * 300_000)).body for _ in range(3)]
            return found, server.connections

    assert run(main()) == ([b"hi"] * 3, 1)


@pytest.mark.parametrize(
    ("names", "trusted", "sentence"),
    [
        (["127.0.0.1"], False, "not signed by a CA we trust"),
        (["other.example"], True, "not for the name '127.0.0.1'"),
    ],
)
def test_a_certificate_that_fails_says_why(
    run, authority, authority_file, names, trusted, sentence
):
    async def main():
        tls = TlsSettings(verify=authority_file if trusted else True)
        context = served(authority, *names)
        async with (
            nothing_left_open(),
            serve(answering(OK), context) as server,
            FastHttpClient(tls=tls) as client,
        ):
            prepared = client.prepare("GET", f"https://127.0.0.1:{server.port}/")
            with pytest.raises(ConnectFailed, match=sentence) as caught:
                await client.send(prepared)
            assert f"127.0.0.1:{server.port}" in str(caught.value)
            return prepared.pool.connections

    assert run(main()) == 0


def test_verification_can_be_switched_off(run, authority):
    async def main():
        context = served(authority, "other.example")
        async with serve(answering(OK), context) as server, FastHttpClient() as client:
            url = f"https://127.0.0.1:{server.port}/"
            return (await client.request("GET", url, tls=TlsSettings(verify=False))).body

    assert run(main()) == b"hi"


def test_server_name_and_host_are_apart_from_the_address(run, authority, authority_file):
    async def main():
        asked = []
        context = served(authority, "model.wikimedia.example")
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        tls = TlsSettings(verify=authority_file, server_name="model.wikimedia.example")
        async with serve(answering(OK), context) as server, FastHttpClient(tls=tls) as client:
            url = f"https://127.0.0.1:{server.port}/v1/models/a:predict"
            await client.request("POST", url, {"Host": "model.ns.wikimedia.org"}, b"{}")
            return asked, server.heads[0]

    asked, head = run(main())
    assert asked == ["model.wikimedia.example"]
    assert head.startswith(
        b"POST /v1/models/a:predict HTTP/1.1\r\nHost: model.ns.wikimedia.org\r\n"
    )


def test_a_client_certificate_is_shown(run, authority, authority_file, tmp_path):
    async def main():
        mine = authority.issue_cert("me@example.org")
        certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        mine.cert_chain_pems[0].write_to_path(certificate)
        mine.private_key_pem.write_to_path(key)
        context = served(authority, "127.0.0.1")
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        shown = TlsSettings(verify=authority_file, certificate=str(certificate), key=str(key))
        async with serve(answering(OK), context) as server, FastHttpClient() as client:
            url = f"https://127.0.0.1:{server.port}/"
            body = (await client.request("GET", url, tls=shown)).body
            # TLS 1.3 refuses after the handshake, at the first read.
            with pytest.raises((ConnectFailed, ConnectionClosed), match=str(server.port)):
                await client.request("GET", url, tls=TlsSettings(verify=authority_file))
            return body

    assert run(main()) == b"hi"


def test_https_to_a_plain_http_port_says_so(run):
    async def main():
        async def handler(server, reader, writer):
            await reader.read(10)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
            with pytest.raises(ConnectFailed, match="http instead of https"):
                await client.request("GET", f"https://127.0.0.1:{server.port}/")

    run(main())


def test_a_handshake_that_never_ends_is_given_up(run):
    async def main():
        async def handler(server, reader, writer):
            await asyncio.sleep(30)

        async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
            limits = Timeouts(connect=0.2)
            with pytest.raises(RequestTimeout) as caught:
                await client.request("GET", f"https://127.0.0.1:{server.port}/", timeouts=limits)
            return caught.value.phase

    assert run(main()) == "connect"


def test_a_server_that_closes_during_the_handshake_is_a_failed_connection(run):
    async def main():
        async def handler(server, reader, writer):
            await reader.read(10)

        async with nothing_left_open(), serve(handler) as server, FastHttpClient() as client:
            with pytest.raises(ConnectFailed, match=str(server.port)):
                await client.request("GET", f"https://127.0.0.1:{server.port}/")

    run(main())


def test_an_answer_cut_off_inside_tls_fails(run, authority, authority_file):
    async def main():
        part = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"
        context = served(authority, "127.0.0.1")
        tls = TlsSettings(verify=authority_file)
        async with (
            nothing_left_open(),
            serve(answering(part, times=1), context) as server,
            FastHttpClient(tls=tls) as client,
        ):
            with pytest.raises(ConnectionClosed, match="middle"):
                await client.request("GET", f"https://127.0.0.1:{server.port}/")

    run(main())


@pytest.mark.parametrize("field", ["verify", "certificate", "key"])
def test_a_missing_tls_file_is_named(field):
    settings = TlsSettings(**{field: "/no/such/file.pem"})
    with pytest.raises(ConfigError, match=r"/no/such/file\.pem"):
        FastHttpClient(tls=settings).prepare("GET", "https://localhost/")


def test_a_tls_file_that_is_no_pem_is_named(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("not PEM")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        FastHttpClient(tls=TlsSettings(verify=str(path))).prepare("GET", "https://localhost/")


@contextlib.asynccontextmanager
async def proxy(answer=b"HTTP/1.1 200 Connection established\r\n\r\n", to=None):
    """Run a proxy for CONNECT; ``to`` is the port it really connects to."""

    async def handler(server, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        server.heads.append(head)
        writer.write(answer)
        if not answer.startswith(b"HTTP/1.1 200"):
            return
        upstream_reader, upstream = await asyncio.open_connection("127.0.0.1", to)

        async def copy(source, sink):
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(copy(reader, upstream), copy(upstream_reader, writer))
        finally:
            upstream.close()

    async with serve(handler) as server:
        yield server


def test_https_goes_through_the_proxy_of_the_environment(
    run, authority, authority_file, monkeypatch
):
    async def main():
        context = served(authority, "service.test")
        async with (
            nothing_left_open(),
            serve(answering(OK), context) as server,
            proxy(to=server.port) as middle,
        ):
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{middle.port}")
            async with FastHttpClient(tls=TlsSettings(verify=authority_file)) as client:
                prepared = client.prepare("POST", "https://service.test/a?b=c")
                for _ in range(3):
                    assert (await client.send(prepared, b"x")).body == b"hi"
            return middle.heads, server.heads

    tunnels, requests = run(main())
    secret = base64.b64encode(b"me:p@ss")
    expected = b"CONNECT service.test:443 HTTP/1.1\r\nHost: service.test:443\r\n"
    assert tunnels == [expected + b"Proxy-Authorization: Basic " + secret + b"\r\n\r\n"]
    assert len(requests) == 3
    assert requests[0].startswith(b"POST /a?b=c HTTP/1.1\r\nHost: service.test\r\n")
    assert b"Proxy-Authorization" not in requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"garbage\r\n\r\n",
        b"",
        b"x" * 20_000,
        b"HTTP/1.1 502 Bad",
        b"HTTP/1.0 200 OK\r\n\r\nbytes before the handshake",
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_named(run, monkeypatch, answer):
    async def main():
        async with nothing_left_open(), proxy(answer) as middle:
            monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{middle.port}")
            async with FastHttpClient() as client:
                with pytest.raises(ConnectFailed, match=f"proxy 127.0.0.1:{middle.port}.*service"):
                    await client.request("GET", "https://service.test/")

    run(main())


def test_plain_http_goes_to_the_proxy_with_the_whole_url(run, monkeypatch):
    async def main():
        async with serve(answering(OK)) as middle:
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{middle.port}")
            async with FastHttpClient() as client:
                await client.request("GET", "http://service.test:8080/a?b=c")
            return middle.heads[0]

    head = run(main())
    assert head.startswith(
        b"GET http://service.test:8080/a?b=c HTTP/1.1\r\nHost: service.test:8080\r\n"
    )


def test_no_proxy_is_obeyed_and_other_proxies_are_refused():
    environment = {"http": "http://p:1", "https": "socks5://p:1", "no": "inside.test,127.0.0.1"}
    assert proxy_for("http", "inside.test", 80, environment) is None
    assert proxy_for("http", "a.inside.test", 80, environment) is None
    assert proxy_for("http", "127.0.0.1", 8000, environment) is None
    assert proxy_for("http", "outside.test", 80, environment).host == "p"
    with pytest.raises(ConfigError, match="HTTPS_PROXY is socks5://p"):
        proxy_for("https", "outside.test", 443, environment)


def test_an_authority_unknown_to_the_file_is_not_trusted(run, authority_file):
    async def main():
        context = served(trustme.CA(), "127.0.0.1")
        tls = TlsSettings(verify=authority_file)
        async with serve(answering(OK), context) as server, FastHttpClient(tls=tls) as client:
            with pytest.raises(ConnectFailed, match="not signed by a CA we trust"):
                await client.request("GET", f"https://127.0.0.1:{server.port}/")

    run(main())


@pytest.mark.parametrize(
    ("entry", "host", "direct"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("example.com, 192.168.1.0/24", "192.168.1.77", True),
        ("fd00::/8", "fd12::1", True),
        ("10.0.0.0/8", "ten.example", False),
        ("10.0.0.0/99,nonsense/8", "10.1.2.3", False),
    ],
)
def test_no_proxy_takes_ranges_of_addresses(entry, host, direct):
    found = proxy_for("http", host, 80, {"http": "http://proxy:3128", "no": entry})
    assert (found is None) == direct


@pytest.fixture
def encrypted(authority, tmp_path):
    """A client certificate whose key has a passphrase."""
    certificate = authority.issue_cert("client")
    plain, path = tmp_path / "plain.pem", tmp_path / "key.pem"
    certificate.private_key_pem.write_to_path(plain)
    chain = tmp_path / "cert.pem"
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))

    key = serialization.load_pem_private_key(plain.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    return str(chain), str(path)


def test_an_encrypted_key_is_opened_by_its_passphrase_and_nobody_is_asked(encrypted):
    certificate, key = encrypted
    TlsSettings(certificate=certificate, key=key, passphrase="open sesame").context()
    with pytest.raises(ConfigError, match=r"is encrypted; set tls\.passphrase"):
        TlsSettings(certificate=certificate, key=key).context()
    with pytest.raises(ConfigError, match="and its passphrase"):
        TlsSettings(certificate=certificate, key=key, passphrase="wrong").context()
    assert "sesame" not in repr(TlsSettings(passphrase="open sesame"))


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/search?q=C#&lang=en", "/search?q=C%23&lang=en"),
        ("/a#b#c", "/a%23b%23c"),
        ("/a#", "/a%23"),
        ("/a%23b", "/a%23b"),
    ],
)
def test_a_hash_is_sent_and_nothing_behind_it_is_lost(run, path, sent):
    async def main():
        async with FastHttpClient() as client:
            return client.prepare("GET", f"http://127.0.0.1:1{path}").target

    assert run(main()) == sent


@pytest.mark.parametrize(
    ("host", "no_proxy", "through"),
    [
        ("10.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "x.test, 10.1.0.0/16", False),
        ("10.1.2.3", "10.1.2.3", False),
        ("fd00::5", "fd00::/8", False),
        ("fd00::5", "[fd00::5]", False),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("service.test", "10.0.0.0/8", True),
    ],
)
def test_no_proxy_takes_blocks_of_addresses(host, no_proxy, through):
    found = proxy_for("http", host, 80, {"http": "http://p:1", "no": no_proxy})
    assert (found is not None) == through
