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
import importlib
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
    ChildOrder,
    EmulatorOrder,
    ModelRunnerOrder,
    ModelServerOrder,
    decode,
)

EMULATOR: Final = "emulator"
MODEL_RUNNER: Final = "model_runner"
_ROLES: Final[dict[str, tuple[type[ChildOrder], str]]] = {
    EMULATOR: (EmulatorOrder, "asyncload.local.stack.emulator"),
    MODEL_RUNNER: (ModelRunnerOrder, "asyncload.local.model_runner.service"),
    MODEL_SERVER: (ModelServerOrder, "asyncload.local.model_server.server"),
}
"""What each child is told, and the module whose ``serve`` does it."""
_CHECK_INTERVAL: Final = 1.0
"""Seconds between two looks at the parent's process id."""


def main() -> None:
    """Read the order, watch the parent, and do what the order says."""
    role, parent = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        sys.exit("no order came: the parent is gone")
    kind, module = _ROLES[role]
    order = decode(line, kind)
    _end_with(parent, order.remove_at_exit)
    if role == MODEL_RUNNER:
        # rasterio imports boto3 where there is one, and needs it only to read images from S3.
        # None makes that import fail, which spares a tenth of the start.
        sys.modules["boto3"] = None  # type: ignore[assignment]
    # Here and not above: what one role needs, the others do not load.
    _run(importlib.import_module(module).serve(order))


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
