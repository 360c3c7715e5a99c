"""Carries out one trial: a run as a child process, and the faults at their moments."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import random
import resource
import shutil
import signal
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from tests.chaos import plan
from tests.chaos.plan import Fault, Trial
from tests.chaos.service import Service, serving
from tests.cli.command_line import ROOT, UNHURRIED

START = 30.0
"""Seconds in which the log must be there: the embedded stack takes three."""
END = 45.0
"""Seconds after the last fault in which the run must end: its load, drain and timeouts are 15."""
AFTER = 15.0
"""Seconds in which nothing of it may be left: processes, temporary files."""


@dataclass
class Ended:
    """What was left of a run."""

    trial: Trial
    folder: Path
    exit_code: int | None = None
    """``None``: it did not end."""
    seconds: float = 0.0
    screen: str = ""
    truth: Path = Path()
    begun: bool = False
    """Whether its log was there before it ended."""
    processes: list[str] = field(default_factory=list)
    """Processes that outlived it."""
    files: list[str] = field(default_factory=list)
    """Temporary files that did."""

    @property
    def log(self) -> Path:
        """Where its log is, if there is one."""
        return self.folder / "work" / "logs" / "run.jsonl"


async def carry_out(trial: Trial, folder: Path) -> Ended:
    """Carry out ``trial`` in the empty ``folder``."""
    ended = Ended(trial, folder)
    for name in ("work", "tmp", "service"):
        (folder / name).mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        await _carry_out(ended, stack)
    ended.screen = (folder / "screen.txt").read_text(errors="replace")
    return ended


async def _carry_out(ended: Ended, stack: contextlib.ExitStack) -> None:
    trial, folder = ended.trial, ended.folder
    async with serving(trial, folder / "service") as service:
        ended.truth = service.truth
        (folder / "work" / "test.yaml").write_text(service.config)
        began = time.monotonic()
        process, terminal = await _start(trial, folder, service.environment, stack)
        try:
            ended.begun = await _begun(ended.log, process)
            await _faults(ended, process, service, terminal)
            with contextlib.suppress(TimeoutError):
                ended.exit_code = await asyncio.wait_for(process.wait(), END)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        ended.seconds = time.monotonic() - began
        await _settle(ended)


async def _start(
    trial: Trial, folder: Path, environment: dict[str, str], stack: contextlib.ExitStack
) -> tuple[asyncio.subprocess.Process, Terminal | None]:
    """Start the run. What it says goes to ``screen.txt``."""
    screen = stack.enter_context((folder / "screen.txt").open("wb"))
    stdin, stdout, stderr = asyncio.subprocess.DEVNULL, screen.fileno(), screen.fileno()
    terminal = None
    if trial.surroundings == plan.TERMINAL:
        terminal = Terminal(screen)
        stack.callback(terminal.close)
        stdin = stdout = stderr = terminal.slave
    elif trial.surroundings == plan.NO_READER:
        reading, stdout = os.pipe()
        os.close(reading)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "asyncload", "run", "test.yaml"),
            *trial.options,
            *UNHURRIED,
            cwd=folder / "work",
            env={
                # By the folder in it the run's processes are found again.
                "PATH": f"{os.environ['PATH']}{os.pathsep}{folder}",
                "PYTHONPATH": str(ROOT),
                "HOME": str(folder),
                "TMPDIR": str(folder / "tmp"),
                "TERM": "xterm",
                "AWS_EC2_METADATA_DISABLED": "true",
                # Python leaves half a file where the disk is full, and trips over it ever after.
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONDEVMODE": "1" if trial.surroundings == plan.DEVELOPMENT else "",
                **environment,
            },
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=_surroundings(trial),
        )
    finally:
        if stdout != screen.fileno():
            os.close(stdout)
    return process, terminal


class Terminal:
    """A terminal, of which we are the screen: what is shown goes to ``copy``."""

    def __init__(self, copy: BinaryIO) -> None:
        self._master, self.slave = pty.openpty()
        self._copy = copy
        asyncio.get_running_loop().add_reader(self._master, self._show)

    def close(self) -> None:
        """Close it under whoever is using it; the kernel sends SIGHUP. Safe to call twice."""
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            self._master = -1

    def _show(self) -> None:
        try:
            self._copy.write(os.read(self._master, 65_536))
        except OSError:  # nobody has it open any more
            self.close()


def _surroundings(trial: Trial) -> Callable[[], None]:
    """Make what the run's process does before it becomes asyncload."""

    def prepare() -> None:
        if trial.surroundings == plan.DESCRIPTORS:
            resource.setrlimit(resource.RLIMIT_NOFILE, (trial.amount, trial.amount))
        elif trial.surroundings == plan.DISK:
            resource.setrlimit(resource.RLIMIT_FSIZE, (trial.amount, trial.amount))
        elif trial.surroundings == plan.NO_STDIN:
            os.close(0)
        elif trial.surroundings == plan.NO_STDOUT:
            os.close(1)
        elif trial.surroundings == plan.TERMINAL:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    return prepare


async def _begun(log: Path, process: asyncio.subprocess.Process) -> bool:
    """Wait until the log has a line, and say whether it came to that."""
    latest = time.monotonic() + START
    while process.returncode is None and time.monotonic() < latest:
        with contextlib.suppress(OSError):
            if log.stat().st_size:
                return True
        await asyncio.sleep(0.02)
    return False


async def _faults(
    ended: Ended,
    process: asyncio.subprocess.Process,
    service: Service,
    terminal: Terminal | None,
) -> None:
    """Do what is planned, as long as the run is there."""
    start = time.monotonic()
    async with asyncio.TaskGroup() as lasting:
        for fault in ended.trial.faults:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), start + fault.at - time.monotonic())
            if process.returncode is not None:
                return
            if fault.what == plan.TERMINAL_GONE and terminal is not None:
                terminal.close()
            else:
                lasting.create_task(_do(fault, ended, process, service))


async def _do(
    fault: Fault, ended: Ended, process: asyncio.subprocess.Process, service: Service
) -> None:
    what, proxy = fault.what, service.proxy
    if what in (plan.KILL, *plan.SIGNALS):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.Signals[what])
    elif what == plan.STOP:
        await _stop(process.pid, fault.length)
    elif what in (plan.SERVICE_KILL, plan.SERVICE_STOP):
        pids = service.pids or _stack_of(process.pid)
        if pids:
            pid = random.Random(ended.trial.seed).choice(sorted(pids))
            if what == plan.SERVICE_KILL:
                _send(pid, signal.SIGKILL)
            else:
                await _stop(pid, fault.length)
    elif what == plan.FOLDER_GONE:
        shutil.rmtree(ended.folder / "work", ignore_errors=True)
    elif proxy is not None and what == plan.CUT:
        proxy.cut()
    elif proxy is not None and what in (plan.REFUSE, plan.STALL):
        async with proxy.refusing() if what == plan.REFUSE else proxy.stalling():
            await asyncio.sleep(fault.length)


async def _stop(pid: int, seconds: float) -> None:
    _send(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds)
    _send(pid, signal.SIGCONT)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _stack_of(pid: int) -> list[int]:
    """Find the processes of the stack that a run has started."""
    with contextlib.suppress(psutil.Error):
        return [
            child.pid
            for child in psutil.Process(pid).children()
            if "asyncload.local.stack.child" in child.cmdline()
        ]
    return []


async def _settle(ended: Ended) -> None:
    """Wait until nothing is left of the run; note what is after a time, and end it."""
    latest = time.monotonic() + AFTER
    while True:
        left = _processes_of(ended.folder)
        files = sorted(path.name for path in (ended.folder / "tmp").iterdir())
        if not (left or files) or time.monotonic() > latest:
            break
        await asyncio.sleep(0.1)
    ended.files = files
    for process in left:
        with contextlib.suppress(psutil.Error):
            ended.processes.append(" ".join(process.cmdline()))
            process.kill()


def _processes_of(folder: Path) -> list[psutil.Process]:
    """Find what was started with the folder in its PATH, which the embedded stack passes on."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
                continue
            if str(folder) in process.environ().get("PATH", ""):
                found.append(process)
    return found
