"""The process that a command runs in: its streams, its signals, and its end.

The command line is started by shells, cron, systemd and containers, with streams closed, without
a terminal, or with one that goes away; and users' code may keep it from ending.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any, Final, Protocol, Self

import click

from asyncload.errors import ConfigError
from asyncload.transport.error_text import hide_known

LEFT_ALONE: Final = 1.0
"""Seconds that tasks and threads which outlived the work have to end."""
ENOUGH: Final = 4
"""Signals after which a run that does not end is ended by force."""
GRACE: Final = 3.0
"""Seconds that it has to end by itself even then."""


def open_streams() -> None:
    """Open ``/dev/null`` where stdin, stdout or stderr is closed.

    The next file or socket would take its number: what is printed would go there, and libuv ends
    the process.
    """
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest number, which is this one
            os.set_inheritable(nowhere, True)
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def check_folder() -> None:
    """Refuse a working directory that is not there any more. Raises :class:`ConfigError`."""
    try:
        os.getcwd()  # noqa: PTH109 - pathlib asks os, too
    except OSError as problem:
        raise ConfigError(
            f"the working directory cannot be used ({problem.strerror}): it was removed, or may "
            "not be read; change to another directory (cd) and try again"
        ) from None


def say(text: str) -> None:
    """Say something on stderr, without secrets; where nobody reads that, nothing happens."""
    with contextlib.suppress(OSError):
        click.echo(f"asyncload: {hide_known(text)}", err=True)


def stop_signals() -> tuple[signal.Signals, ...]:
    """Give the signals that end a run: Ctrl-C, a kill, and the end of the terminal.

    The last one is left alone where it is ignored, as under ``nohup``.
    """
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return signal.SIGINT, signal.SIGTERM
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def leave_terminal() -> None:
    """Write to nowhere in place of a terminal that has gone: each write to it would fail."""
    import termios

    for fd in (1, 2):
        try:
            termios.tcgetattr(fd)
        except termios.error as problem:
            if problem.args[0] == errno.EIO:
                os.dup2(os.open(os.devnull, os.O_WRONLY), fd)


def leave(code: int) -> None:
    """End the process with ``code``, also when a thread of a user's never ends.

    Signals do not change the code any more.
    """
    for number in stop_signals():
        signal.signal(number, signal.SIG_IGN)
    busy = busy_threads()
    if not busy:
        sys.exit(code)
    names = ", ".join(sorted(thread.name for thread in busy))
    say(f"left behind threads that did not end: {names}")
    end_now(code)


def end_now(code: int) -> None:
    """End the process at once: nothing is waited for but what is written already."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def busy_threads(prefix: str = "") -> list[threading.Thread]:
    """Find threads for which Python would wait at its end; those that end soon are none."""
    deadline = time.monotonic() + LEFT_ALONE
    found = [
        thread
        for thread in threading.enumerate()
        if not thread.daemon
        and thread is not threading.main_thread()
        and thread.name.startswith(prefix)
    ]
    for thread in found:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [thread for thread in found if thread.is_alive()]


class Rescued(Protocol):
    """A run whose log can be saved."""

    def rescue_log(self) -> None:
        """Write what is queued of the log, from any thread, within a few seconds."""


class WayOut:
    """Inside it the fourth Ctrl-C (or SIGTERM) ends the process, whatever that waits for.

    The event loop may be blocked by user code, or wait for a task that swallows its
    cancellation; so signals are counted where Python itself handles them, and a thread does the
    rest. Enter it when the loop's own handlers are set: they go on beside it.
    """

    def __init__(self, run: Rescued) -> None:
        self._run = run
        self._count = 0
        self._enough = threading.Event()
        self._over = threading.Event()
        self._terminal = _terminal_settings()
        self._main = threading.get_ident()
        self._outer: set[FrameType] = set()
        """The frames around the event loop: none of user code."""

    def __enter__(self) -> Self:
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - how one's own stack is read
        while frame is not None:
            self._outer.add(frame)
            frame = frame.f_back
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._signalled)
        threading.Thread(target=self._watch, name="asyncload-way-out", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._enough.set()
        self._outer.clear()

    def _signalled(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._count += 1
        if self._count >= ENOUGH:
            self._enough.set()

    def _watch(self) -> None:
        self._enough.wait()
        if self._over.wait(GRACE):
            return
        from asyncload.engine.stack import describe_code, user_frames

        now = sys._current_frames().get(self._main)  # noqa: SLF001
        frames = user_frames(now, frozenset(self._outer))
        where = f" in {describe_code(frames)}" if frames else ""
        self._run.rescue_log()
        if self._terminal is not None:
            with contextlib.suppress(Exception):
                import termios

                termios.tcsetattr(0, termios.TCSANOW, self._terminal)
                os.write(1, b"\x1b[?25h")  # the live view hides the cursor
        say(f"ended by force: the run did not end by itself{where}; its log has no summary")
        end_now(130)


def _terminal_settings() -> list[Any] | None:
    """Give the settings of the terminal on stdin, to be set again; ``None`` without one."""
    with contextlib.suppress(Exception):
        import termios

        return termios.tcgetattr(0)
    return None
