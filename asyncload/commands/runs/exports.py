"""The files that a run, or a folder of runs, leaves for other tools."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from asyncload.compare.table import conclusion_text
from asyncload.errors import AsyncloadError, ConfigError
from asyncload.export.run_report import RunReport
from asyncload.records.files import cannot_write, check_place, replacing
from asyncload.records.record import Tee

if TYPE_CHECKING:
    from asyncload.compare.comparison import Comparison
    from asyncload.export.hlog import HistogramLog
    from asyncload.load_test import LoadTest
    from asyncload.result import Result

STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
"""The environment variable with the file that GitHub shows beside a step of a job."""
_BEGINNINGS: Final = {
    "junit": b"<?xml",
    "hlog": b"#[",
    "markdown": b"## ",
    "html": b"<!doctype html",
}
"""How files begin that may be replaced, in small letters."""


class Exports:
    """Writes JUnit XML, an HdrHistogram log and Markdown, where they are asked for.

    In this order: :meth:`begin` and :meth:`follow` before each run, :meth:`add` or :meth:`failed`
    after it, and :meth:`write` at the end. Raises :class:`ConfigError` where a file cannot be written to.
    """

    def __init__(
        self,
        *,
        junit: Path | None = None,
        hlog: Path | None = None,
        markdown: Path | None = None,
        html: Path | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._junit = junit
        self._hlog = hlog
        self._markdown = markdown
        self._html = html
        step = environment.get(STEP_SUMMARY)
        self._step_summary = Path(step) if step else None
        self._reports: list[RunReport] = []
        self._open: HistogramLog | None = None
        self.problems: list[str] = []
        """What could not be written, a sentence each."""
        for option, path in (
            ("junit", junit),
            ("hlog", hlog),
            ("markdown", markdown),
            ("html", html),
        ):
            _check(option, path)

    def check_folder(self, folder: Path) -> None:
        """Refuse, for a ``folder`` of runs, what is of one run only. Raises ConfigError."""
        if self._html is not None:
            raise ConfigError(
                f"--html {self._html} is of one run, but {folder} is a folder of tests; "
                "name one config, or make it from a log with: asyncload report LOG -o FILE"
            )
        if self._hlog is not None:
            raise ConfigError(
                f"--hlog {self._hlog} is of one run, but {folder} is a folder of tests; "
                "name one config, or make it from a log with: asyncload summary LOG --hlog FILE"
            )

    def follow(self, test: LoadTest, sinks: Tee) -> None:
        """Have the records of a run, which go to ``sinks`` too, written as they are to be."""
        if self._hlog is not None:
            from asyncload.export.hlog import HistogramLog

            self._open = HistogramLog(self._hlog, test.stats.fold)
            sinks.add(self._open)

    def begin(self, name: str) -> None:
        """Put a report in place that says that the run did not end: an old one must not pass."""
        if self._junit is not None:
            from asyncload.export.junit import junit_xml

            unended = "the run was killed, or stopped before its load began"
            placeholder = RunReport(name=name, seconds=0.0, problem=unended, exit_code=130)
            self._replace(self._junit, junit_xml([*self._reports, placeholder]))

    def add(
        self,
        name: str,
        result: Result,
        seconds: float,
        *,
        seed: int,
        compared: tuple[Comparison | None, int] | None = None,
    ) -> None:
        """Take in a run that is over.

        ``compared``: how it came out against its baseline, where it has one, and the exit code
        with that.
        """
        if self._open is not None:
            self._open.finish()
            if self._open.error is not None:
                self.problems.append(self._open.error)
            self._open = None
        self._write_html(result.log)
        requests, jobs = result.summary.requests, result.summary.jobs
        latency = jobs.latency if jobs.submitted else requests.latency
        numbers = {
            "run_id": result.run_id,
            "seed": seed,
            "asyncload": metadata.version("asyncload"),
            "verdict": result.verdict.state,
            "requests": requests.count,
            "failed": requests.errors + jobs.errors,
            "latency.p50": latency.p50,
            "latency.p95": latency.p95,
            "latency.p99": latency.p99,
        }
        baseline, code = None, result.exit_code
        if compared is not None:
            comparison, code = compared
            baseline = "not compared" if comparison is None else conclusion_text(comparison)
        self._reports.append(
            RunReport(
                name=name,
                seconds=seconds,
                summary=result.summary,
                thresholds=tuple(result.thresholds),
                verdict=result.verdict,
                own_exit_code=result.exit_code,
                exit_code=code,
                baseline=baseline,
                started=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - seconds)),
                properties=tuple(
                    (key, str(value)) for key, value in numbers.items() if value is not None
                ),
                log="" if result.log is None else str(result.log),
            )
        )

    def _write_html(self, log: Path | None) -> None:
        if self._html is None:
            return
        from asyncload.commands.report import write_report

        try:
            if log is None:
                raise ConfigError("the report is made from the log, and there is none")
            write_report(log, self._html)
        except AsyncloadError as problem:
            self.problems.append(f"--html {self._html}: {problem}")

    def failed(self, name: str, problem: AsyncloadError, seconds: float) -> None:
        """Take in a run that could not start."""
        self._reports.append(
            RunReport(name=name, seconds=seconds, exit_code=problem.exit_code, problem=str(problem))
        )

    def write(self) -> int:
        """Write what there is; what cannot be written is told, and makes the exit code 3.

        What cannot be written for GitHub is told only: nobody has asked for it.
        """
        if self._junit is not None:
            from asyncload.export.junit import junit_xml

            self._replace(self._junit, junit_xml(self._reports))
        if self._markdown is not None:
            from asyncload.export.markdown import markdown

            self._replace(self._markdown, markdown(self._reports).encode())
        if self._step_summary is not None and self._reports:
            from asyncload.export.markdown import markdown

            try:
                with self._step_summary.open("ab") as file:
                    file.write(markdown(self._reports).encode())
            except OSError as problem:
                click.echo(f"asyncload: {cannot_write(self._step_summary, problem)}", err=True)
        for text in self.problems:
            click.echo(f"asyncload: {text}", err=True)
        return 3 if self.problems else 0

    def _replace(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # such as /dev/stdout
                with path.open("wb") as device:
                    device.write(content)
                return
            with replacing(path.resolve()) as file:
                file.write(content)
        except OSError as problem:
            self.problems.append(cannot_write(path, problem))


def worse(code: int, exported: int) -> int:
    """Give the exit code of a run whose exports ended with ``exported``."""
    return code if code not in {0, 1} or not exported else exported


def _check(option: str, path: Path | None) -> None:
    try:
        if path is None:
            return
        check_place(path)
        if path.is_file():
            with path.open("rb") as file:
                begins = file.read(16).lower()
            if begins and not begins.startswith(_BEGINNINGS[option]):
                raise ConfigError(
                    f"--{option}: {path} is there already and not what an earlier run wrote there; "
                    "name another file, or remove it"
                )
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise ConfigError(
            f"--{option}: cannot write {path}: {reason}; choose another place"
        ) from None
