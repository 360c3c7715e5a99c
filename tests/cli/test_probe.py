"""A target that cannot be reached ends a run before its clock starts."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import yaml

from tests.config.test_synonyms import config


def test_a_service_that_is_not_there_ends_the_run_at_once(asyncload):
    begun = time.monotonic()
    ended = asyncload("http", "http://127.0.0.1:9", "-d", "60s", "--quiet")
    assert ended.returncode == 4
    assert ended.sentence == (
        "No connection to 127.0.0.1:9: it was refused; is the service running there; nothing was "
        "sent (probe: false starts the load all the same)"
    )
    assert time.monotonic() - begun < 20


def test_who_wants_a_load_on_a_dead_service_gets_it(asyncload):
    ended = asyncload("http", "http://127.0.0.1:9", "-d", "1s", "--quiet", "--set", "probe=false")
    assert ended.returncode == 1
    assert "100 % of requests failed" in ended.stdout


def test_one_dead_target_of_several_is_named(asyncload, fake_aws):
    alive = fake_aws(200, "{}")
    content = config()
    scenario = content["scenarios"][0]
    scenario["name"], scenario["user"]["base_url"] = "alive", alive.url
    dead = config()["scenarios"][0] | {"name": "dead"}
    dead["user"]["base_url"] = "http://127.0.0.1:9"
    content["scenarios"].append(dead)
    asyncload.config.write_text(yaml.safe_dump(content))
    ended = asyncload.run()
    assert ended.returncode == 4
    assert "127.0.0.1:9" in ended.sentence
    assert alive.seen == []


def test_a_server_without_tls_is_no_https_target(asyncload, fake_aws):
    plain = fake_aws(200, "{}")
    ended = asyncload("http", plain.url.replace("http:", "https:"), "-d", "1s", "--quiet")
    assert ended.returncode == 4
    assert "TLS" in ended.sentence


@pytest.fixture
def one_at_a_time():
    """A server that serves one connection to its end before it takes the next."""
    server = socket.create_server(("127.0.0.1", 0), backlog=50)
    seen = []

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                data = connection.recv(65536)
                seen.append(data)
                if data:
                    connection.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                    )

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}", seen
    server.close()


def test_the_probe_sends_nothing_and_holds_nothing_up(asyncload, one_at_a_time):
    url, seen = one_at_a_time
    ended = asyncload("http", url, "-n", "5", "-r", "20", "--quiet")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert seen[0] == b""
    assert len(seen) == 6
