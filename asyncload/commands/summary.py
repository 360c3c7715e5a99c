"""``asyncload summary``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
from rich.console import Console

from asyncload.commands.loop import Output
from asyncload.commands.reading import reading
from asyncload.errors import ConfigError, LogError
from asyncload.export.hlog import HistogramLog
from asyncload.records.lines import lines_left_out
from asyncload.records.log import LogReader
from asyncload.records.record import RunHeader, Sink, SummaryRecord, Tee
from asyncload.report.csv.csv_files import CsvFiles
from asyncload.report.tables.hosts_table import print_hosts
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.live import LiveStats
from asyncload.stats.metrics import Summary
from asyncload.verdict.judge import limits_of, verdict_of
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict


class ReadLog(NamedTuple):
    """A log, folded anew."""

    summary: Summary
    thresholds: list[ThresholdResult] | None
    """How they came out; ``None`` where the log has no summary."""
    verdict: Verdict
    monitored: bool
    """It is a log of ``asyncload monitor``: there was no load."""
    skipped: str
    """How many lines could not be read, in words; empty where all could."""


def read_log(log: Path, stats: LiveStats, *sinks: Sink) -> ReadLog:
    """Fold ``log`` into ``stats``; it may be that of a killed run. ``sinks`` get its records, too.

    Raises :class:`LogError` when it cannot be read, or is no log.
    """
    every = Tee(stats, *sinks)
    last: SummaryRecord | None = None  # a killed run has none
    number = 0
    monitored = False
    with reading(str(log), Console(stderr=True)) as progress:
        reader = LogReader(log, progress=progress)
        for record in reader:
            number += 1
            every.write(record)
            if isinstance(record, SummaryRecord):
                last = record
            elif isinstance(record, RunHeader):
                monitored = "scenarios" not in record.config and "monitor" in record.config
    if not number and not reader.skipped:
        raise LogError(f"the log {log} is empty; it has a first line once a run has started")
    if not number:
        raise LogError(
            f"{log} is not an asyncload log: no line of it is a record; "
            "name a .jsonl file that a run has written"
        )
    skipped = lines_left_out(reader.skipped, reader.unknown) if reader.skipped else ""
    return ReadLog(
        stats.fold.summary(),
        None if last is None else _thresholds(last),
        _verdict(last, stats, skipped),
        monitored,
        skipped,
    )


def summary_command(
    log: Path, *, as_json: bool, csv: str | None = None, hlog: Path | None = None
) -> None:
    """Fold ``log`` again, and print the table or JSON. Works on the log of a killed run.

    With ``csv``, the beginning of their paths, CSV files are written too, and with ``hlog`` an
    HdrHistogram log.
    """
    stats = LiveStats()
    files = None if csv is None else CsvFiles(csv, stats.fold)
    histograms = None if hlog is None else HistogramLog(hlog, stats.fold)
    read = read_log(log, stats, *(one for one in (files, histograms) if one is not None))
    if files is not None:
        files.open()
        files.finish()
        if files.error:
            raise ConfigError(files.error)
    if histograms is not None:
        histograms.finish()
        if histograms.error:
            raise ConfigError(histograms.error)
    summary = read.summary
    if as_json:
        verdict = None if read.monitored else read.verdict
        judged = {"thresholds": read.thresholds or [], "verdict": verdict}
        content = {**summary.to_dict(), **msgspec.to_builtins(judged)}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        if read.skipped:
            click.echo(f"asyncload: {read.skipped}", err=True)
        return
    console = Output()
    if read.monitored and summary.hosts:
        print_hosts(summary.hosts, console)
    else:
        end = stats.snapshot(summary.t)
        print_summary(
            summary,
            read.thresholds,
            console,
            log_path=log,
            artifacts=() if files is None else files.paths,
            notes=end.notes,
            more_notes=end.more_notes,
            found=end.found,
            verdict=None if read.monitored else read.verdict,
        )
    if read.skipped:
        console.print(read.skipped)


def _verdict(last: SummaryRecord | None, stats: LiveStats, skipped: str) -> Verdict:
    """Give the verdict that the run had; of one that was killed, what its records say."""
    if last is not None:
        with contextlib.suppress(msgspec.ValidationError):
            return msgspec.convert(last.summary.get("verdict"), Verdict)
    lost = "its last record is missing: the run was killed, or goes on"
    incomplete = Reason(
        "log_incomplete",
        f"{lost}; {skipped}" if skipped else lost,
        "let the run end in order; Ctrl-C once still gets the report",
    )
    fold = stats.fold
    return verdict_of(fold, problems=[incomplete] if last is None else (), limits=limits_of(fold))


def _thresholds(record: SummaryRecord) -> list[ThresholdResult]:
    """Read how thresholds came out; none where another version wrote them in another form."""
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert(record.summary.get("thresholds", []), list[ThresholdResult])
    return []
