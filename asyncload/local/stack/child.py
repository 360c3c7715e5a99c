"""What each child process runs first: ``python -m asyncload.local.stack.child ROLE PID``.

A child must never outlive its parent, not even one that got SIGKILL. Its
stdin is a pipe that only the parent holds open: when the pipe ends, the
parent is gone. Another child that the parent forked may hold a copy of the
pipe, so the parent's process id is watched as well. Both work on Linux and
macOS.

A child ignores SIGINT: on Ctrl-C the parent still drains its jobs, and needs
the stack until it has.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, Final

from asyncload.local.stack.protocol import (
    MODEL_SERVER,
    EmulatorOrder,
    ModelRunnerOrder,
    ModelServerOrder,
    decode,
)

EMULATOR: Final = "emulator"
MODEL_RUNNER: Final = "model_runner"
_CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks at the parent's process id."""


def main() -> None:
    """Read the order, watch the parent, and do what the order says."""
    role, parent = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit("no order came: the parent is gone")
    if role == EMULATOR:
        order = decode(line, EmulatorOrder)
        _end_with(parent, order.remove_at_exit)
        from asyncload.local.stack import emulator

        _run(emulator.serve(order))
    elif role == MODEL_SERVER:
        wanted = decode(line, ModelServerOrder)
        _end_with(parent, wanted.remove_at_exit)
        from asyncload.local.model_server import server as model_server

        _run(model_server.serve(wanted))
    else:
        _end_with(parent, None)
        # rasterio imports boto3 where there is one, and needs it only to read images from S3.
        # None makes that import fail, which spares a tenth of the start.
        sys.modules["boto3"] = None  # type: ignore[assignment]
        from asyncload.local.model_runner import service as model_runner

        _run(model_runner.serve(decode(line, ModelRunnerOrder)))


def _end_with(parent: int, remove: str | None) -> None:
    """End this process at once when ``parent`` is gone, removing the directory ``remove``."""

    def watch() -> None:
        while os.getppid() == parent:
            readable, _, _ = select.select([0], [], [], _CHECK_INTERVAL)
            if readable and not os.read(0, 4096):
                break
        if remove is not None:
            shutil.rmtree(remove, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _run(serve: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve)
    else:
        uvloop.run(serve)


if __name__ == "__main__":
    main()
