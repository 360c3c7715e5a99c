"""What all figures share: pinned processes, rounds in turn, medians and ratios."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
RESULTS: Final = ROOT / "benchmarks" / "results"
PEERS: Final = ROOT / "benchmarks" / ".peers" / "bin"
GENERATOR_CORE: Final = "0"
SERVER_CORE: Final = "1"
ENVIRONMENT: Final = {
    **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    "PYTHONPATH": str(ROOT),
    "AWS_ACCESS_KEY_ID": "AKIDBENCHMARKEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "benchmark/secret/EXAMPLEKEY",
    "AWS_REGION": "us-west-2",
    "AWS_DEFAULT_REGION": "us-west-2",
    "AWS_EC2_METADATA_DISABLED": "true",
    "LOCUST_SKIP_LOG_SETUP": "1",
}


class Measured(msgspec.Struct, kw_only=True):
    """What one round of one contender came to."""

    value: float
    command: str
    details: dict[str, Any] = {}


class Contender(msgspec.Struct, frozen=True):
    """Somebody who is measured, in turn with the others."""

    name: str
    measure: Callable[[], Measured]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the targets table: ``contender`` against a number, or against ``peer``."""

    contender: str
    at_least: float | None = None
    at_most: float | None = None
    peer: str | None = None
    """The bound is then a ratio: contender / peer."""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure, ready to be measured."""

    name: str
    title: str
    unit: str
    contenders: Sequence[Contender]
    targets: Sequence[Target] = ()
    note: str = ""
    """What exactly is compared; stands below the table."""
    rounds: int | None = None
    """Instead of the command's, where one round says all."""


class Finished(msgspec.Struct, frozen=True):
    """A process that came to its end."""

    stdout: str
    stderr: str
    seconds: float
    cpu: float
    """Seconds of CPU, user and system."""
    peak_rss: int
    """Bytes."""
    command: str


def pinned(core: str | None, command: Sequence[object]) -> list[str]:
    """Put ``taskset`` before ``command``."""
    arguments = [str(word) for word in command]
    return arguments if core is None else ["taskset", "-c", core, *arguments]


def shown(command: Sequence[str]) -> str:
    """Write a command for people: without the paths of this machine."""
    text = " ".join(command).replace(sys.executable, "python").replace(f"{PEERS}/", "")
    return text.replace(f"{ROOT}/", "")


def generator(
    command: Sequence[object],
    *,
    limit: float,
    core: str | None = GENERATOR_CORE,
    during: Callable[[int], None] | None = None,
    good: Sequence[int] = (0,),
) -> Finished:
    """Run ``command`` on the generator's core to its end, killed after ``limit`` seconds.

    ``during`` is called with its process id while it runs. Raises RuntimeError
    when it exits with a code that is not in ``good``.
    """
    arguments = pinned(core, command)
    with Folder() as folder:
        out, err = folder / "out", folder / "err"
        begun = time.perf_counter()
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                arguments,
                stdout=stdout,
                stderr=stderr,
                stdin=subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd=ROOT,
            )
        peak = _Watch(process, limit)
        peak.start()
        try:
            if during is not None:
                during(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            peak.over.set()
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output, complaint = (path.read_text(errors="replace") for path in (out, err))
    if process.returncode not in good:
        raise RuntimeError(
            f"{shown(arguments)} exits with {process.returncode}: {complaint[-2000:]}"
        )
    return Finished(
        output,
        complaint,
        seconds,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024,
        shown(arguments),
    )


class _Watch(threading.Thread):
    """Ends a process that takes too long, and notes its peak of resident memory.

    Of its own, from /proc: getrusage's still has that of the process before exec.
    """

    def __init__(self, process: subprocess.Popen[bytes], limit: float) -> None:
        super().__init__(daemon=True)
        self.over = threading.Event()
        self.bytes = 0
        self._process = process
        self._end = time.monotonic() + limit

    def run(self) -> None:
        while not self.over.wait(0.1):
            if time.monotonic() > self._end:
                self._process.kill()
            with contextlib.suppress(OSError, StopIteration):
                lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
                line = next(line for line in lines if line.startswith("VmHWM:"))
                self.bytes = int(line.split()[1]) * 1024


@contextmanager
def server(command: Sequence[object], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on the server's core, from when it listens on ``port`` until the block ends.

    Raises RuntimeError with what it wrote to stderr, when it does not start or
    has complained by the end: a server that fails measures nothing.
    """
    with Folder() as folder:
        complaints = folder / "stderr"
        with complaints.open("wb") as stderr:
            process = subprocess.Popen(
                pinned(SERVER_CORE, command), stderr=stderr, env=ENVIRONMENT, cwd=ROOT
            )
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if process.poll() is not None or not probe.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.05)
            else:
                raise RuntimeError(f"{command[0]} does not listen on {port}")
            if process.poll() is None:
                yield process
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if text := complaints.read_text(errors="replace")[-2000:]:
            raise RuntimeError(f"{shown(pinned(None, command))} complains: {text}")


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Folder:
    """A temporary folder, as ``with Folder() as path``."""

    def __enter__(self) -> Path:
        import tempfile

        self._folder = tempfile.mkdtemp(prefix="asyncload-benchmark-")
        return Path(self._folder)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def run_figure(figure: Figure, rounds: int) -> dict[str, Any]:
    """Measure all contenders in turn (A B C A B C …) and give the raw result."""
    measured: list[dict[str, Any]] = []
    for number in range(1, (figure.rounds or rounds) + 1):
        for contender in figure.contenders:
            one = contender.measure()
            print(
                f"{figure.name} {number}: {contender.name}: {one.value:,.6g} {figure.unit}",
                flush=True,
            )
            measured.append(
                {"round": number, "contender": contender.name, **msgspec.to_builtins(one)}
            )
    return {
        "figure": figure.name,
        "title": figure.title,
        "unit": figure.unit,
        "note": figure.note,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "targets": [msgspec.to_builtins(target) for target in figure.targets],
        "rounds": measured,
    }


def values(result: Mapping[str, Any], contender: str) -> list[float]:
    """Values of one contender, in order of the rounds."""
    return [one["value"] for one in result["rounds"] if one["contender"] == contender]


def ratio(result: Mapping[str, Any], contender: str, peer: str) -> float | None:
    """Median, over the rounds, of contender / peer within the same round."""
    pairs = zip(values(result, contender), values(result, peer), strict=True)
    ratios = [ours / theirs for ours, theirs in pairs if theirs]
    return statistics.median(ratios) if ratios else None


def machine() -> dict[str, Any]:
    """Describe this machine."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """Versions of all that takes part."""
    ours = ("uvloop", "httptools", "msgspec", "aiobotocore", "botocore", "polars", "numpy")
    found = {"python": platform.python_version()}
    found |= {name: metadata.version(name) for name in ours}
    if shutil.which("nginx"):
        text = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
        found["nginx"] = text.strip().rpartition("/")[2]
    for tool in ("wrk", "hey"):
        command = ["dpkg-query", "-W", "-f", "${Version}", tool]
        if shutil.which("dpkg-query"):
            found[tool] = subprocess.run(
                command, capture_output=True, text=True, check=False
            ).stdout
    if PEERS.exists():
        code = "from importlib.metadata import version as v; print(v('locust'), v('boto3'))"
        answer = subprocess.run(
            [PEERS / "python", "-c", code], capture_output=True, text=True, check=True
        ).stdout
        found["locust"], found["boto3"] = answer.split()
    return found


def write_result(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``<figure>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{result['figure']}.json").write_text(text, encoding="utf-8")
