"""Which machine this is, as far as it decides how much load it can drive."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Final

import msgspec

from asyncload import __version__

_CPUINFO: Final = Path("/proc/cpuinfo")
_HEAD: Final = 4096  # bytes of it: the first core's entry; a large machine's would take long
_MODEL_KEYS: Final = ("model name", "Model", "Hardware", "cpu model", "CPU part")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, and what of asyncload ran on it."""

    host: str
    cpu: str
    """Model of the processor."""
    cores: int
    """Cores that this process may use."""
    system: str
    python: str
    asyncload: str
    loop: str
    """``uvloop`` or ``asyncio``."""

    def difference(self, now: Machine) -> str | None:
        """Say in a few words why what holds for this machine need not hold for ``now``."""
        if (self.host, self.cpu) != (now.host, now.cpu):
            return f"of another machine ({self.host}, {self.cpu})"
        if self.cores != now.cores:
            return f"for {_cores(self.cores)}, and this process may use {now.cores}"
        if _minor(self.asyncload) != _minor(now.asyncload):
            return f"of asyncload {self.asyncload}, and this is {now.asyncload}"
        if self.loop != now.loop:
            return f"made with {self.loop}, and this runs on {now.loop}"
        return None


def this_machine() -> Machine:
    """Describe this machine. It takes well under a millisecond."""
    return Machine(
        host=platform.node(),
        cpu=_cpu_model(),
        cores=_usable_cores(),
        system=platform.system(),
        python=platform.python_version(),
        asyncload=__version__,
        loop=_loop(),
    )


def state_folder() -> Path:
    """Give the folder where asyncload keeps what it knows of this machine; it may not exist.

    ``$XDG_STATE_HOME/asyncload`` where that is set to an absolute path, as its specification
    asks; else ``~/.local/state/asyncload``, on macOS ``~/Library/Application Support/asyncload``.
    """
    given = os.environ.get("XDG_STATE_HOME", "")
    if given.startswith("/"):
        return Path(given) / "asyncload"
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path.home() raises where there is none
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "asyncload"
    return home / ".local" / "state" / "asyncload"


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    if sys.platform == "darwin":
        return _sysctl("machdep.cpu.brand_string") or platform.machine()
    try:
        with _CPUINFO.open("rb", buffering=0) as file:
            text = file.read(_HEAD).decode("utf-8", "replace")
    except OSError:
        return platform.machine()
    entries = [line.partition(":") for line in text.splitlines()]
    known = {name.strip(): value.strip() for name, _, value in reversed(entries)}
    return next((known[key] for key in _MODEL_KEYS if known.get(key)), platform.machine())


def _sysctl(name: str) -> str:
    """Ask macOS's kernel for a text: a call of the C library, where a child process takes 5 ms."""
    import ctypes

    try:
        ask = ctypes.CDLL(None).sysctlbyname
    except (OSError, AttributeError):
        return ""
    answer = ctypes.create_string_buffer(256)
    size = ctypes.c_size_t(len(answer))
    if ask(name.encode(), answer, ctypes.byref(size), None, ctypes.c_size_t(0)):
        return ""
    return answer.value.decode("utf-8", "replace")


def _loop() -> str:
    from importlib.util import find_spec

    return "asyncio" if find_spec("uvloop") is None else "uvloop"


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"
