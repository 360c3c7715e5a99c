import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from asyncload.records.record import Note
from asyncload.report.table import MAX_ROWS, print_summary
from asyncload.stats.live import LiveStats
from asyncload.stats.thresholds import Threshold, evaluate
from tests.stats.feeds import header, job, ledger, request

LONG = "POST /v1/models/revertrisk-language-agnostic:predict"


@pytest.fixture
def stats():
    """A run of 10 s with requests of two names, jobs of two names, and some of all troubles."""
    stats = LiveStats()
    stats.write(header(s={"model": "open", "duration": 10}))
    for i in range(1, 101):
        stats.write(request(t=0.1 * i, latency=0.012, lateness=0.008, name=LONG))
        stats.write(request(t=0.1 * i, latency=0.002, name="SendMessage"))
    stats.write(request(t=9.0, latency=5.0, outcome="timeout", error="no answer in 5 s"))
    stats.write(request(t=9.0, latency=0.0, outcome="dropped"))
    for i in range(1, 9):
        stats.write(job(t=10.0 + i, latency=2.0, size=10**8, pixels=10**9))
    stats.write(job(t=12.0, status="FAILED", error="No such object"))
    stats.write(job(t=40.0, status="LOST", name="y.ntf:m"))
    stats.write(ledger(t=40.0, succeeded=7, partial=1, failed=1, lost=1, duplicates=2, orphans=1))
    stats.write(Note(3.0, "warning", "The queue answered ThrottlingException."))
    return stats


def printed(stats, width, *, thresholds=(), **options):
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None)
    results = evaluate([Threshold.parse(text) for text in thresholds], stats.fold)
    print_summary(stats.fold.summary(), results, console, **options)
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_account_of_the_jobs_is_an_equation_at_every_width(stats, width):
    text = printed(stats, width)
    words = " ".join(text.split())
    assert "10 submitted = 7 succeeded + 1 partial + 1 failed + 0 timed out + 1 lost" in words
    assert "800 MB, 8.00 Gpx processed · 2 duplicate statuses · 1 orphan status" in words
    assert all(cell_len(line) <= width for line in text.splitlines())


def test_a_row_for_each_name_and_one_for_all(stats):
    rows = [line.split() for line in printed(stats, 200).splitlines()]
    table = {row[0]: row for row in rows if row and row[0] in {"SendMessage", "POST", "get", "all"}}
    #                        sent   failed drop  rate      service p95
    assert table["SendMessage"][1:7] == ["100", "0", "0", "10.0/s", "2.00", "ms"]
    assert table["get"][1:5] == ["1", "1", "1", "0.100/s"]
    assert table["all"][1:5] == ["201", "1", "1", "20.1/s"]
    # The generator's own lateness is in the latency and not in the service time.
    assert table["POST"][6:8] == ["4.00", "ms"]
    assert table["POST"][8:10] == ["12.0", "ms"]


def test_where_it_is_narrow_long_names_keep_both_their_ends(stats):
    text = printed(stats, 60)
    assert LONG not in text
    assert any(
        line.strip().startswith("POST /v1") and ":predict " in line for line in text.splitlines()
    )


def test_the_latency_of_jobs_is_split_into_stages_that_add_up(stats):
    stages = r"lateness|submit|queue wait|processing|notification|latency"
    shares = dict(re.findall(rf"^  ({stages}) +(\d+) %", printed(stats, 120), re.MULTILINE))
    assert shares == {
        "lateness": "10",
        "submit": "10",
        "queue wait": "20",
        "processing": "50",
        "notification": "10",
        "latency": "100",
    }


def test_what_was_left_out_is_said(stats):
    text = " ".join(printed(stats, 120).split())
    assert "1 arrival (0.495 %) dropped" in text
    assert "1 job never came to an end and is in none of these latencies." in text


def test_failures_of_requests_and_jobs_come_with_their_number(stats):
    lines = [" ".join(line.split()) for line in printed(stats, 120).splitlines()]
    assert "1 × request no answer in 5 s" in lines
    assert "1 × job FAILED: No such object" in lines


def test_thresholds_show_what_was_measured(stats):
    thresholds = ["job.lost == 0", "request.latency.p50 < 1s", "request[nobody].rate > 1"]
    lines = [" ".join(x.split()) for x in printed(stats, 80, thresholds=thresholds).splitlines()]
    assert "✗ job.lost == 0 1" in lines
    assert "✓ request.latency.p50 < 1s 12.0 ms" in lines
    assert "✗ request[nobody].rate > 1 no data" in lines


def test_warnings_and_files_and_the_next_command_come_last(stats):
    text = printed(
        stats,
        60,
        log_path="a folder with a long name of its own/run of monday.jsonl",
        artifacts=["logs/job_status.json"],
        notes=stats.snapshot(40.0).notes,
    )
    assert "0:03  The queue answered ThrottlingException." in text
    assert "  logs/job_status.json\n" in text
    assert text.endswith(
        "  graphs: asyncload plot 'a folder with a long name of its own/run of monday.jsonl'\n"
    )


def test_a_run_of_nothing_says_so():
    text = printed(LiveStats(), 80)
    assert text == "No request was sent.\n"


def test_of_very_many_names_the_most_frequent_are_shown():
    stats = LiveStats()
    for i in range(MAX_ROWS + 5):
        for _ in range(i + 1):
            stats.write(request(name=f"/item/{i:03}"))
    text = printed(stats, 120)
    assert "and 5 more" in text
    assert "/item/034" in text
    assert "/item/004" not in text


def test_names_in_brackets_are_no_markup():
    stats = LiveStats()
    stats.write(request(name="[bold]GET[/bold] /x", outcome="failed", error="[red]boom"))
    text = printed(stats, 120)
    assert "[bold]GET[/bold] /x" in text
    assert "[red]boom" in text


def test_jobs_still_open_are_part_of_the_equation(stats):
    stats.write(ledger(t=41.0, succeeded=7, backlog=3))
    assert "0 lost + 3 still open" in " ".join(printed(stats, 120).split())
