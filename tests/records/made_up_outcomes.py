"""Outcomes that do not exist, declared for one process, and where they turn up in it.

Reads the lines that declare them from stdin, and writes JSON: what each part
of asyncload makes of a run with one job that the service ends as SKIPPED and
one that is given up as CANCELLED.
"""

import io
import json
import sys
import tempfile
import types
from pathlib import Path

MODULE = "asyncload.records.outcomes"
SOURCE = Path(__file__).parents[2] / Path(*MODULE.split(".")).with_suffix(".py")
AFTER = "    backlog: int\n"


def declare(lines: str) -> None:
    """Put ``lines`` behind the outcomes that there are, before anything imports them."""
    source = SOURCE.read_text(encoding="utf-8")
    assert source.count(AFTER) == 1
    sys.modules[MODULE] = module = types.ModuleType(MODULE)
    source = source.replace(AFTER, lines + AFTER)
    exec(compile(source, SOURCE, "exec"), module.__dict__)


async def shown(folder: Path) -> dict:
    """Run two jobs, and collect what becomes of them."""
    from rich.console import Console

    from asyncload.compare.log_side import side_of
    from asyncload.jobs.artifacts import JobFiles
    from asyncload.jobs.status import parse_status
    from asyncload.live.frame import frame
    from asyncload.live.terminal import job_totals
    from asyncload.progress import Progress
    from asyncload.records.columns import read_columns
    from asyncload.records.log import LogReader
    from asyncload.report.csv.rows import Entry
    from asyncload.report.plots import series
    from asyncload.report.plots.data import run_of
    from asyncload.report.tables.summary_table import print_summary
    from asyncload.stats.live import LiveStats
    from asyncload.testing import status_body
    from tests.jobs.job_bench import About, make_ledger
    from tests.report import believable_log as believable

    now = 2.0
    ledger, records = make_ledger(lambda: now)
    files = JobFiles(folder, ledger, epoch=0.0, interval=30.0)
    jobs = [ledger.open(About(), due=1.0, start=1.0) for _ in range(2)]
    for job in jobs:
        ledger.accept(job, "m")
    status = parse_status({"Body": status_body(jobs[0].id, "SKIPPED")})
    assert status is not None
    now = 5.0
    for _ in range(2):
        ledger.apply(status, now)
    ledger._give_up(jobs[1], "CANCELLED", "before it was called off")

    for record in records:
        files.write(record)
    await files.rewrite()
    header = believable.header(scenarios={"jobs": "open"})
    log = believable.write(folder / "run.jsonl", [header, *records, ledger.totals()])
    stats = LiveStats()
    for record in LogReader(log):
        stats.write(record)
    fold = stats.fold
    entry = Entry()
    entry.add_jobs(fold.job_total())
    snapshot = stats.snapshot(5.0)
    progress = Progress("made up", "load", 5.0, 60.0, None, has_jobs=True)
    table = io.StringIO()
    print_summary(fold.summary(), [], Console(file=table, width=200, color_system=None))
    columns = read_columns(log)
    run = run_of(columns)
    counts = series.throughput(run.parts[0], run)
    return {
        "log": log.read_text().splitlines()[-1],
        "records": [job.status for job in records],
        "summary": fold.summary().to_dict()["jobs"],
        "metrics": [fold.metric("job.cancelled"), fold.metric("job[jobs].skipped")],
        "table": " ".join(table.getvalue().split()),
        "live": ["".join(text for text, _ in line) for line in frame(snapshot, progress, 200, 60)],
        "plain": job_totals(snapshot),
        "job_summary": json.loads(files.summary_path.read_bytes()),
        "completed": [
            entry["completed"] for entry in json.loads(files.status_path.read_bytes()).values()
        ],
        "graphs": [int(counts.completed.sum()), int(counts.failed.sum())],
        "ledger_column": columns.ledgers["cancelled"].to_list(),
        "compared": [row.failed for row in side_of(columns).rows],
        "csv": entry.failed,
    }


if __name__ == "__main__":
    declare(sys.stdin.read())
    import anyio

    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(json.dumps(anyio.run(shown, Path(name))))
