"""What happens in a trial, drawn from its seed and nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass

SECONDS = 3.0
"""Of load in each trial."""

# What is done to the run itself; the first is the only one after which it cannot report.
KILL = "SIGKILL"
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
STOP = "SIGSTOP"
# To the connections between it and the service: through our proxy.
CUT, REFUSE, STALL = "connections cut", "connections refused", "connections stalled"
# To the service.
SERVICE_KILL, SERVICE_STOP = "service killed", "service stopped"
# To its terminal, if it has one.
TERMINAL_GONE = "terminal closed"
# To its files.
FOLDER_GONE = "working folder removed"
LASTING = (STOP, REFUSE, STALL, SERVICE_STOP)
"""Faults that end by themselves."""

TARGETS = ("http", "queue", "embedded")
"""A model server; a stack of its own; the stack that the run starts itself."""
FAULTS = {
    "http": (KILL, *SIGNALS, STOP, CUT, REFUSE, STALL, SERVICE_KILL, SERVICE_STOP, FOLDER_GONE),
    "queue": (KILL, *SIGNALS, STOP, CUT, REFUSE, STALL, SERVICE_KILL, SERVICE_STOP, FOLDER_GONE),
    "embedded": (KILL, *SIGNALS, STOP, SERVICE_KILL, SERVICE_STOP),
}
DESCRIPTORS, DISK = "descriptors", "disk"
NO_STDIN, NO_STDOUT, NO_READER, TERMINAL = "no stdin", "no stdout", "no reader", "terminal"
DEVELOPMENT = "development mode"
"""``PYTHONDEVMODE``: what is left open is told."""
_STREAMS = (None, DEVELOPMENT, NO_STDIN, NO_STDOUT, NO_READER, TERMINAL)
SURROUNDINGS = {
    "http": (*_STREAMS, DESCRIPTORS, DISK),
    "queue": (*_STREAMS, DESCRIPTORS, DISK),
    "embedded": _STREAMS,  # its stack would meet the limits, too
}
EXPORTS = ("--csv=all", "--junit=all.xml", "--markdown=all.md", "--hlog=all.hlog")


@dataclass(frozen=True)
class Fault:
    """Something that happens ``at`` seconds after the log was begun, for ``length`` seconds."""

    at: float
    what: str
    length: float = 0.0

    def __str__(self) -> str:
        lasts = f" for {self.length:.1f} s" if self.length else ""
        return f"{self.what}{lasts} at {self.at:.2f} s"


@dataclass(frozen=True)
class Trial:
    """One run: what it is told to do, in which surroundings, and what is done to it."""

    seed: int
    target: str
    options: tuple[str, ...]
    """Of the command ``run``."""
    surroundings: str | None
    amount: int
    """Of :data:`DESCRIPTORS`, how many there are; of :data:`DISK`, the bytes of a file."""
    faults: tuple[Fault, ...]

    @property
    def is_killed(self) -> bool:
        """Whether the run gets no chance to report."""
        return any(fault.what == KILL for fault in self.faults)

    def has(self, *what: str) -> bool:
        """Whether one of these faults is part of it."""
        return any(fault.what in what for fault in self.faults)

    def __str__(self) -> str:
        parts = [*map(str, self.faults)]
        if self.surroundings is not None:
            parts.insert(0, f"{self.surroundings} {self.amount or ''}".strip())
        return f"{self.target}, {', '.join(parts) or 'no fault'}"


def draw(seed: int) -> Trial:
    """Draw the trial of ``seed``."""
    rng = random.Random(seed)
    target = rng.choice(TARGETS)
    number = rng.choice([0, 1, 1, 1, 2, 2, 3])
    faults = []
    for _ in range(number):
        what = rng.choice(FAULTS[target])
        length = rng.uniform(0.1, 2.0) if what in LASTING else 0.0
        faults.append(Fault(rng.uniform(0.0, SECONDS + 1.5), what, length))
    surroundings = rng.choice(SURROUNDINGS[target])
    amount = {DESCRIPTORS: rng.randint(24, 80), DISK: rng.randint(1_000, 60_000)}.get(
        surroundings or "", 0
    )
    if surroundings == TERMINAL and rng.random() < 0.6:
        faults.append(Fault(rng.uniform(0.0, SECONDS + 1.5), TERMINAL_GONE))
    options = [f"--set={setting}" for setting in _settings(rng, target)]
    options += [option for option in EXPORTS if rng.random() < 0.3]
    if rng.random() < 0.5:
        options.append("--quiet")
    return Trial(
        seed=seed,
        target=target,
        options=tuple(options),
        surroundings=surroundings,
        amount=amount,
        faults=tuple(sorted(faults, key=lambda fault: fault.at)),
    )


def _settings(rng: random.Random, target: str) -> list[str]:
    load = f"scenarios.0.load.duration={SECONDS:g}s"
    if rng.random() < 0.5:
        rate = rng.choice([20, 100, 400]) if target == "http" else rng.choice([10, 40, 100])
        settings = [load, f"scenarios.0.load.shape={{kind: constant, level: {rate}}}"]
        settings.append(f"scenarios.0.load.arrivals={rng.choice(['even', 'poisson'])}")
    else:
        users = rng.choice([1, 5, 40])
        settings = [
            load,
            "scenarios.0.load.model=closed",
            f"scenarios.0.load.shape={{kind: constant, level: {users}}}",
        ]
    if target == "http":
        settings.append(f"scenarios.0.user.client={rng.choice(['fast', 'fast', 'aiohttp'])}")
    else:
        client = rng.choice(["fast", "fast", "sdk"])
        settings.append(f"scenarios.0.user.client={client}")
        if client == "fast" and rng.random() < 0.5:
            settings.append("scenarios.0.user.batch_linger=20ms")
        settings.append(f"local.failure_rate={rng.choice([0, 0.1])}")
    return settings
