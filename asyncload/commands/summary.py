"""``asyncload summary``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console

from asyncload.commands.loop import Output
from asyncload.commands.reading import reading
from asyncload.errors import ConfigError, LogError
from asyncload.export.hlog import HistogramLog
from asyncload.records.lines import lines_left_out
from asyncload.records.log import LogReader
from asyncload.records.record import RunHeader, SummaryRecord, Tee
from asyncload.report.csv.csv_files import CsvFiles
from asyncload.report.tables.hosts_table import print_hosts
from asyncload.report.tables.summary_table import print_summary
from asyncload.stats.live import LiveStats
from asyncload.verdict.judge import limits_of, verdict_of
from asyncload.verdict.thresholds import ThresholdResult
from asyncload.verdict.verdict import Reason, Verdict


def summary_command(
    log: Path, *, as_json: bool, csv: str | None = None, hlog: Path | None = None
) -> None:
    """Fold ``log`` again, and print the table or JSON. Works on the log of a killed run.

    With ``csv``, the beginning of their paths, CSV files are written too, and with ``hlog`` an
    HdrHistogram log.
    """
    stats = LiveStats()
    sinks = Tee(stats)
    files = None if csv is None else CsvFiles(csv, stats.fold)
    if files is not None:
        sinks.add(files)
    histograms = None if hlog is None else HistogramLog(hlog, stats.fold)
    if histograms is not None:
        sinks.add(histograms)
    last: SummaryRecord | None = None  # a killed run has none
    number = 0
    monitored = False  # it is a log of ``asyncload monitor``: there was no load
    with reading(str(log), Console(stderr=True)) as progress:
        reader = LogReader(log, progress=progress)
        for record in reader:
            number += 1
            sinks.write(record)
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
    if files is not None:
        files.open()
        files.finish()
        if files.error:
            raise ConfigError(files.error)
    if histograms is not None:
        histograms.finish()
        if histograms.error:
            raise ConfigError(histograms.error)
    skipped = lines_left_out(reader.skipped, reader.unknown)
    summary = stats.fold.summary()
    thresholds = None if last is None else _thresholds(last)
    verdict = None if monitored else _verdict(last, stats, skipped if reader.skipped else "")
    if as_json:
        judged = {"thresholds": thresholds or [], "verdict": verdict}
        content = {**summary.to_dict(), **msgspec.to_builtins(judged)}
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
        if reader.skipped:
            click.echo(f"asyncload: {skipped}", err=True)
        return
    console = Output()
    if monitored and summary.hosts:
        print_hosts(summary.hosts, console)
    else:
        end = stats.snapshot(summary.t)
        print_summary(
            summary,
            thresholds,
            console,
            log_path=log,
            artifacts=() if files is None else files.paths,
            notes=end.notes,
            more_notes=end.more_notes,
            found=end.found,
            verdict=verdict,
        )
    if reader.skipped:
        console.print(skipped)


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
