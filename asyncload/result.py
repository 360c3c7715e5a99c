"""How a run came out."""

from __future__ import annotations

from pathlib import Path

import msgspec

from asyncload.stats.metrics import Summary
from asyncload.stats.thresholds import ThresholdResult


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run came out."""

    summary: Summary
    thresholds: list[ThresholdResult]
    log: Path | None
    files: tuple[Path, ...]
    """Job files, where there were jobs, and CSV files, where they were asked for."""
    interrupted: bool
    problems: tuple[str, ...]
    """What kept the run from going as planned, a sentence each."""
    target_lost: bool = False
    """The service under test went away for good."""
    calls: dict[str, int] = {}
    """Calls to status queues by name, such as ``sqs.ReceiveMessage``: no user's requests."""

    @property
    def passed(self) -> bool:
        """Whether every threshold held."""
        return all(result.passed for result in self.thresholds)

    @property
    def all_failed(self) -> bool:
        """Whether requests were sent and none of them went well: what was measured is a failure."""
        return bool(self.summary.requests.count) and not self.summary.requests.ok

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        if self.target_lost:
            return 4
        if self.interrupted:
            return 130
        if self.problems:
            return 3
        if not self.thresholds:
            return int(self.all_failed)
        return 0 if self.passed else 1
