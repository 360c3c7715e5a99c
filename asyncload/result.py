"""How a run came out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from asyncload.errors import ConfigError
from asyncload.stats.metrics import Summary
from asyncload.stats.snapshot import NoteSeen
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Verdict

if TYPE_CHECKING:  # imported where they are used: they take long
    import polars as pl
    from rich.console import Console

    from asyncload.records.frames import Table
    from asyncload.report.plots.graphs import Graphs

_HTML_WIDTH: Final = 100
"""Columns of the table in a notebook, which does not tell its own."""
_HTML: Final = (
    '<pre style="white-space: pre; overflow-x: auto; line-height: normal; '
    "font-family: Menlo, 'DejaVu Sans Mono', Consolas, 'Courier New', monospace\">"
    "{code}</pre>"
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run came out.

    ``str(result)`` is the final table, and a notebook shows it in colour.
    """

    summary: Summary
    thresholds: list[ThresholdResult]
    verdict: Verdict
    """What the run proves, and why."""
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
    run_id: str = ""
    """As in the first line of the log."""
    notes: tuple[NoteSeen, ...] = ()
    """The last warnings and errors, but for :attr:`problems`."""
    found: tuple[str, ...] = ()
    """What set-up found out, a sentence each."""
    inconclusive: Literal["fail", "pass"] = "fail"
    """What a run comes to that is neither proven to pass nor to fail."""

    @property
    def passed(self) -> bool:
        """Whether every threshold passed."""
        return all(result.passed for result in self.thresholds)

    @property
    def exit_code(self) -> int:
        """What the command line exits with."""
        if self.target_lost:
            return 4
        if self.interrupted:
            return 130
        return self.verdict.exit_code(inconclusive_passes=self.inconclusive == "pass")

    def print_table(self, console: Console) -> None:
        """Print the final table."""
        from asyncload.report.tables.summary_table import print_summary

        print_summary(
            self.summary,
            self.thresholds,
            console,
            verdict=self.verdict,
            log_path=self.log,
            artifacts=self.files,
            notes=self.notes,
            found=self.found,
            interrupted=self.interrupted,
            problems=self.problems,
        )

    def __str__(self) -> str:
        """Give the final table as plain text, as wide as the terminal, or 80 columns."""
        from rich.console import Console

        console = Console(file=io.StringIO(), color_system=None, force_jupyter=False)
        with console.capture() as captured:
            self.print_table(console)
        return "\n".join(line.rstrip() for line in captured.get().splitlines())

    def _repr_html_(self) -> str:
        """Give the final table as HTML, for notebooks."""
        from rich.console import Console

        console = Console(file=io.StringIO(), record=True, width=_HTML_WIDTH, force_jupyter=False)
        self.print_table(console)
        return console.export_html(inline_styles=True, code_format=_HTML)

    def plot(self) -> Graphs:
        """Draw the graphs of the run from its log.

        A notebook shows them; by name they are matplotlib's figures, and
        ``save(folder)`` writes them to files. Raises :class:`ConfigError`
        when the run has no log, or its log is gone, or there is nothing to draw.
        """
        from asyncload.report.plots.graphs import graphs_of

        return graphs_of(self._own_log())

    def to_polars(self, table: Table = "requests") -> pl.DataFrame:
        """Give the ``requests``, ``jobs`` or ``levels`` of the run's log, a row each.

        The columns are the fields of the log (``docs/log.md``); times in
        seconds from the start. Raises :class:`ConfigError` as :meth:`plot` does.
        """
        from asyncload.records.frames import read_frame

        return read_frame(self._own_log(), table)

    def _own_log(self) -> Path:
        """Where the log is now: a later run with a log of the same name has moved it aside."""
        from asyncload.records.log import find_log

        if self.log is None:
            raise ConfigError(
                "this run has no log to read from; give run() one, such as log='logs/run.jsonl'"
            )
        return find_log(self.log, self.run_id)
