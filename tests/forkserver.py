"""Starts commands from a process that has everything imported: 50 ms instead of a second each.

A command is a fork of it, with folder, environment and streams of its own, so
it is as apart from the others as one started from a shell. What only the
interpreter's own start can show (its options, what is imported when) needs a
real start: ``Shell.start`` of the command line's tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

SERVED = """
import asyncload.cli
import asyncload.commands.runs.check
import asyncload.commands.runs.run
import asyncload.commands.runs.suite
import asyncload.commands.summary
import asyncload.local.stack.stack
import asyncload.users.http.http_user
import asyncload.users.model_runner.submit
import asyncload.users.sagemaker.asynchronous, asyncload.users.sagemaker.realtime
import aiobotocore.session, aiobotocore.config
import anyio.streams.tls
import botocore.exceptions
import numpy.random
import uvloop
"""
"""What is imported beforehand: what nearly every command needs."""


class ForkServer:
    """The process, and the socket to it."""

    def __init__(self, root: Path) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": str(root)},
            )
        self._answers = self._socket.makefile("r")

    def close(self) -> None:
        """End it: it leaves when the socket closes."""
        self._answers.close()
        self._socket.close()
        self._process.wait(20)

    def run(
        self, arguments: list[str], folder: Path, environment: dict[str, str], *, limit: float
    ) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr. Raises ``TimeoutExpired``."""
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            order = {"arguments": arguments, "folder": str(folder), "environment": environment}
            socket.send_fds(
                self._socket, [json.dumps(order).encode() + b"\n"], [out.fileno(), err.fileno()]
            )
            pid = int(self._answers.readline())
            code = self._wait(pid, arguments, limit)
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode().replace("\r\n", "\n"))
        return code, texts[0], texts[1]

    def _wait(self, pid: int, arguments: list[str], limit: float) -> int:
        self._socket.settimeout(limit)
        try:
            return int(self._answers.readline())
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(arguments, limit) from None
        finally:
            with contextlib.suppress(OSError):
                self._socket.settimeout(None)


def serve(connection: socket.socket) -> None:
    """Fork for each order that comes; tell the process id, and later the exit code."""
    exec(SERVED, {})
    while True:
        data, fds, _, _ = socket.recv_fds(connection, 1 << 20, 2)
        if not data:
            return
        while not data.endswith(b"\n"):
            data += connection.recv(1 << 20)
        pid = os.fork()
        if pid == 0:
            connection.close()
            _become(json.loads(data), fds)
        for fd in fds:
            os.close(fd)
        connection.sendall(b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def _become(order: dict, fds: list[int]) -> NoReturn:
    code = 70
    try:
        os.environ.clear()
        os.environ.update(order["environment"])
        time.tzset()
        os.chdir(order["folder"])
        for place, fd in enumerate((os.open(os.devnull, os.O_RDONLY), *fds)):
            os.dup2(fd, place)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(
            2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
        )
        random.seed()
        sys.argv = ["asyncload", *order["arguments"]]
        sys.path.insert(0, order["folder"])  # as `python -m` does
        from asyncload.cli import main

        try:
            main(prog_name="asyncload")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
