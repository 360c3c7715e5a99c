"""Fixtures of the command line: shells, the embedded stack, bad services."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from tests.cli.command_line import CONFIG, FakeAws, Shell


@pytest.fixture
def asyncload(tmp_path, fork_server):
    """A shell without credentials."""
    return Shell(tmp_path, fork_server)


@pytest.fixture(scope="session")
def stack_environment(tmp_path_factory, fork_server):
    """The embedded stack on its own, as `asyncload local` gives it: what it says to export."""
    shell = Shell(tmp_path_factory.mktemp("stack"), fork_server)
    shell.config.write_text(f"{CONFIG}local: {{service_time: {{mean: 20ms}}, workers: 20}}\n")
    process = shell.start("local", "--config", "test.yaml")
    assert process.stdout is not None
    exports = {}
    for line in process.stdout:
        if found := re.fullmatch(r"\s*export (\w+)=(.*)\n", line):
            exports[found[1]] = found[2]
        if "Ctrl-C" in line:
            break
    assert "AWS_ENDPOINT_URL" in exports, process.communicate()
    yield exports
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.fixture
def on_stack(tmp_path, fork_server, stack_environment):
    """A shell in which AWS is the embedded stack."""
    return Shell(tmp_path, fork_server, **stack_environment)


@pytest.fixture
def fake_aws():
    """Starts services that have only one answer."""
    servers: list[FakeAws] = []

    def start(*arguments: Any) -> FakeAws:
        server = FakeAws(*arguments)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.status = 0
        server.shutdown()
        server.server_close()
