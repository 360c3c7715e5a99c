"""Child processes of the stack, seen from the parent."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import anyio

from asyncload.local.stack.protocol import ChildOrder, encode

GRACE: Final = 3.0
"""Seconds a child has for ending by itself."""
_INHERITED: Final = (
    "COVERAGE_PROCESS_START",
    "DYLD_LIBRARY_PATH",
    "GDAL_DATA",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "PATH",
    "PROJ_DATA",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPYCACHEPREFIX",
    "TZ",
)
_TAIL_LINES: Final = 3


class Child:
    """A running child. Its stdin is a pipe that ends with this process."""

    def __init__(
        self, role: str, process: asyncio.subprocess.Process, parent_pipe: int, log: Path
    ) -> None:
        self.role = role
        self._process = process
        self._parent_pipe = parent_pipe
        self._log = log

    @classmethod
    async def start(
        cls,
        role: str,
        order: ChildOrder,
        *,
        environment: Mapping[str, str],
        log: Path,
        sockets: tuple[int, ...] = (),
    ) -> Self:
        """Start a child with ``environment`` and little else, its stderr going to ``log``.

        Its stdout is a pipe for :meth:`answer`.
        """
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        # The child imports what this process would import, wherever it came
        # from, and nothing that happens to lie in the current directory (-P).
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        reading, parent_pipe = os.pipe()
        try:
            with log.open("wb") as stderr:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *("-P", "-m", "asyncload.local.stack.child", role, str(os.getpid())),
                    stdin=reading,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=stderr,
                    env=inherited | {"PYTHONPATH": path} | dict(environment),
                    pass_fds=sockets,
                    start_new_session=True,  # out of reach of the terminal's Ctrl-C
                )
        except BaseException:
            os.close(parent_pipe)
            raise
        finally:
            os.close(reading)
        with suppress(BrokenPipeError):  # a child that is dead already is found out by waiting
            os.write(parent_pipe, encode(order))
        return cls(role, process, parent_pipe, log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def answer(self) -> bytes:
        """One line from the child; without a newline at its end when the child died."""
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def wait(self) -> int:
        """Wait for the end of the child; returns its exit code."""
        return await self._process.wait()

    def stderr_tail(self) -> str:
        """Return the last lines of its stderr, as one."""
        with suppress(OSError):
            lines = self._log.read_text(errors="replace").strip().splitlines()
            return " / ".join(line.strip() for line in lines[-_TAIL_LINES:])
        return ""

    async def end(self) -> None:
        """End the child: ask, close its pipe, kill. Returns when it is gone."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(GRACE):
            await self._process.wait()
        os.close(self._parent_pipe)
        with anyio.move_on_after(GRACE):
            await self._process.wait()
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        # Reading to its end is what closes the pipe on our side.
        assert self._process.stdout is not None
        await self._process.stdout.read()


class Processes:
    """An async context manager around child processes: they are up inside it.

    A subclass starts them in :meth:`_start` and puts each into ``_children``.
    However entering ends, and at the end, the latest is ended first, and the
    temporary directory, whose name begins with ``prefix``, is removed.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._scratch: Path | None = None
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        self._scratch = Path(tempfile.mkdtemp(prefix=self._prefix))
        try:
            await self._start(self._scratch)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stop()

    async def _start(self, scratch: Path) -> None:
        """Start the children; ``scratch`` is the temporary directory."""
        raise NotImplementedError

    async def _stop(self) -> None:
        with anyio.CancelScope(shield=True):
            while self._children:
                await self._children.pop().end()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
