from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine on each event loop, in bounded time."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else None

    def go(main, limit=15):
        async def bounded():
            async with asyncio.timeout(limit):
                return await main

        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(bounded())

    return go


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="module")
def emulator():
    """Run ministack in a process of its own; return its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        number = listener.fileno()
        script = str(Path(__file__).with_name("emulator.py"))
        process = subprocess.Popen(
            # -P: beside the script is a folder `http`, which must not take the place of Python's own.
            [sys.executable, "-P", script, str(number)],
            pass_fds=[number],
            env={**os.environ, "LOG_LEVEL": "ERROR"},
        )
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield url
    finally:
        process.kill()
        process.wait()
