import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from asyncload.records.record import Note, Stream
from asyncload.report.tables.layout import shortened
from asyncload.report.tables.summary_table import MAX_ROWS, print_summary
from asyncload.stats.live import LiveStats
from asyncload.verdict.evaluate import evaluate
from asyncload.verdict.thresholds import Threshold
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
def test_the_job_counters_are_an_equation_at_every_width(stats, width):
    text = printed(stats, width)
    words = " ".join(text.split())
    assert "10 submitted = 7 succeeded + 1 partial + 1 failed + 0 timed out + 1 lost" in words
    assert "800 MB, 8.00 Gpx processed · 2 duplicate statuses · 1 foreign status" in words
    assert all(cell_len(line) <= width for line in text.splitlines())


def test_a_row_for_each_name_and_one_for_all(stats):
    rows = [line.split() for line in printed(stats, 200).splitlines()]
    table = {row[0]: row for row in rows if row and row[0] in {"SendMessage", "POST", "get", "all"}}
    #                        sent   failed drop  rate      ok p95
    assert table["SendMessage"][1:7] == ["100", "0", "–", "10.0/s", "2.00", "ms"]
    assert table["get"][1:5] == ["1", "1", "–", "0.100/s"]
    assert table["all"][1:5] == ["201", "1", "1", "20.1/s"]
    # The generator's own lateness is in the latency and not in the service time.
    assert table["POST"][6:8] == ["12.0", "ms"]
    assert table["POST"][8:10] == ["4.00", "ms"]


def test_drops_are_in_the_row_of_the_only_name_of_their_scenario():
    stats = LiveStats()
    for name in ("jobs", "web"):
        stats.write(request(scenario=name, name=f"{name}.Send"))
    stats.write(request(scenario="jobs", name="(dropped)", outcome="dropped"))
    text = printed(stats, 120)
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert (rows["jobs"][2:6], rows["web"][2:6]) == (
        ["jobs.Send", "1", "0", "1"],
        ["web.Send", "1", "0", "0"],
    )
    assert rows["all"][1:4] == ["2", "0", "1"]
    assert "(dropped)" not in text
    assert "1 arrival (33.3 %) of jobs was dropped: the load was not what" in " ".join(text.split())


def test_there_is_no_column_for_drops_where_nothing_was_dropped():
    stats = LiveStats()
    stats.write(request())
    assert "dropped" not in printed(stats, 120)


def test_where_it_is_narrow_long_paths_keep_their_method_and_their_end(stats):
    text = printed(stats, 60)
    assert LONG not in text
    assert re.search(r"^  POST …\S+:predict ", text, re.MULTILINE)


@pytest.mark.parametrize("width", range(1, 60))
def test_a_name_is_never_wider_than_its_room(width):
    for name in (LONG, f"  {LONG}", "a_very_long_name_of_an_image.tif:centerpoint", "short"):
        cut = shortened(Text(name), width)
        assert cut.cell_len <= max(width, 1)
        assert cut.plain == name or "…" in cut.plain


@pytest.mark.parametrize("width", [24, 30, 40, 50, 60, 70, 80, 100])
def test_no_number_is_cut_and_every_block_has_its_names_however_narrow_it_is(width):
    stats = LiveStats()
    stats.write(header(s={"model": "open", "duration": 10}))
    for i in range(100):
        stream = Stream(chunks=400, first_token=0.1 * i + 0.05, tokens=400, gaps=[0.0519] * 9)
        for name in ("chat", "complete"):
            stats.write(request(t=0.1 * i + 3, latency=3.0, name=name, stream=stream))
    text = printed(stats, width)
    table = [line for line in text[text.index("Streams") :].splitlines() if line.startswith("  ")]
    assert max(cell_len(line.rstrip()) for line in table) <= width
    headers = "chunks tokens rate first p50 first p95 first p99 gap p50 gap p95 gap p99"
    named = {"chat": [], "complete": [], "all": []}
    seen = []
    for line in table:
        label, *cells = re.split(r" {2,}", line.strip())
        if label in named:
            named[label] += cells
        else:
            seen += [label, *cells]
    assert " ".join(seen) == headers
    rest = ["50.0 ms"] * 3 + ["51.9 ms"] * 3
    assert named["chat"] == named["complete"] == ["40,000", "40,000", "4,000/s", *rest]
    assert named["all"] == ["80,000", "80,000", "8,000/s", *rest]


def test_other_long_names_keep_both_their_ends():
    cut = shortened(Text("a_very_long_name_of_an_image.tif:centerpoint"), 21)
    assert cut.plain == "a_very_lon…enterpoint"


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


def test_jobs_that_never_ended_count_in_percentiles_and_it_is_said(stats):
    text = printed(stats, 120)
    assert re.search(r"latency +100 % +2.22 s +2.00 s +never +never +4.00 s", text)
    assert (
        "1 job never ended: percentiles of the latency count it; mean, max and the parts are "
        "of the 9 that ended."
    ) in text


def test_failures_of_requests_and_jobs_come_with_their_number(stats):
    lines = [" ".join(line.split()) for line in printed(stats, 120).splitlines()]
    assert "Failures 1 × request 0:09 no answer in 5 s" in lines
    assert "1 × job 0:12 FAILED: No such object" in lines


def test_a_failure_that_came_several_times_tells_from_when_to_when(stats):
    for t in (3.0, 5.5, 4.0):
        stats.write(request(t=t, outcome="failed", error="ThrottlingException"))
    lines = [" ".join(line.split()) for line in printed(stats, 120).splitlines()]
    assert "Failures 3 × request 0:03–0:05 ThrottlingException" in lines


@pytest.mark.parametrize("width", [60, 80, 120])
def test_jobs_that_were_given_up_are_told_apart(stats, width):
    stats.write(ledger(t=41.0, timed_out=3, lost=4, rejected=2, stuck=5))
    text = printed(stats, width)
    told = "7 given up = 2 rejected by the service + 5 stuck + 0 never started"
    assert told in " ".join(text.split())
    assert all(cell_len(line) <= width for line in text.splitlines())


def test_nothing_is_said_of_jobs_given_up_when_there_are_none(stats):
    stats.write(ledger(t=41.0, succeeded=10))
    assert "given up" not in printed(stats, 120)


def test_thresholds_show_what_was_measured(stats):
    thresholds = ["job.lost == 0", "request.latency.p50 < 1s", "request[nobody].rate > 1"]
    lines = [" ".join(x.split()) for x in printed(stats, 80, thresholds=thresholds).splitlines()]
    assert "✗ job.lost == 0 1" in lines
    assert "✓ request.latency.p50 < 1s 12.0 ms" in lines
    assert "? request[nobody].rate > 1 no data" in lines


def test_a_threshold_of_too_few_samples_says_how_many_it_takes(stats):
    few = " ".join(printed(stats, 160, thresholds=["request.latency.p99.9 < 1h"]).split())
    assert "? request.latency.p99.9 < 1h never 202 of the 4,603 samples that a p99.9 takes" in few


def test_a_threshold_that_no_value_could_keep_says_why(stats):
    words = " ".join(printed(stats, 120, thresholds=["job.latency.max < 1h"]).split())
    assert "✗ job.latency.max < 1h never some of the jobs never ended" in words


def test_files_and_the_next_command_come_last_and_what_the_run_came_to_before_them(stats):
    options = {"thresholds": ["job.lost == 0"], "notes": stats.snapshot(40.0).notes}
    log = "a folder with a long name of its own/run of monday.jsonl"
    text = printed(stats, 60, log_path=log, artifacts=["logs/job_status.json"], **options)
    assert "Warnings  0:03  The queue answered ThrottlingException." in text
    assert text.endswith(
        f"Files   {log}\n        logs/job_status.json\nGraphs  asyncload plot '{log}'\n"
    )
    assert text.index("✗  job.lost == 0") < text.index("the threshold failed") < text.index("Files")
    text = printed(stats, 80, log_path="run.jsonl", artifacts=["a.json", "b.json"])
    assert text.endswith("Files   run.jsonl  a.json  b.json\nGraphs  asyncload plot run.jsonl\n")


def test_warnings_of_a_kind_are_one_row_with_examples_and_what_the_log_has_more_is_counted(stats):
    for letter in "abcd":
        stats.write(Note(5.0, "warning", f"skipped s3://bucket/{letter}.tif: no image"))
    for kind in "abcdefghijkl":
        stats.write(Note(6.0, "warning", f"trouble of kind {kind * 5}"))
    seen = stats.snapshot(40.0)
    text = printed(stats, 100, notes=seen.notes, more_notes=seen.more_notes)
    assert "skipped s3://bucket/a.tif: no image (4 times)" in text
    assert text.count("also: skipped") == 2
    assert "also: skipped s3://bucket/c.tif: no image" in text
    assert f"and {seen.more_notes} more warnings, in the log" in text


def test_what_set_up_found_out_is_told_and_later_notes_for_the_log_are_not(stats):
    stats.write(Note(0.0, "info", "the model 'm' runs on ml.g5.xlarge"))
    stats.write(Note(9.0, "info", "the service's clock is about 3 ms ahead"))
    text = printed(stats, 80, found=stats.snapshot(40.0).found)
    assert "Set-up  the model 'm' runs on ml.g5.xlarge" in text
    assert "ahead" not in text


def test_a_run_of_nothing_says_so():
    text = printed(LiveStats(), 80)
    assert text == "No request was sent.\n\nno thresholds were set; nothing was sent\n"


def answers(ok, failed, jobs=0, lost=0, jobs_failed=0):
    stats = LiveStats()
    for _ in range(ok):
        stats.write(request(t=12.0))
    for _ in range(failed):
        stats.write(request(t=12.0, outcome="failed", status=503))
    for status, number in (("SUCCESS", jobs), ("LOST", lost), ("FAILED", jobs_failed)):
        for _ in range(number):
            stats.write(job(t=12.0, status=status))
    return stats


GREEN, YELLOW, RED = "\x1b[1;32m", "\x1b[1;33m", "\x1b[1;31m"


@pytest.mark.parametrize(
    ("stats", "thresholds", "options", "line"),
    [
        (answers(9, 0), [], {}, f"{GREEN}no thresholds were set; nothing failed"),
        (answers(9, 1), [], {}, f"{YELLOW}no thresholds were set; 10.0 % of requests failed"),
        (answers(0, 9), [], {}, f"{RED}no thresholds were set; 100 % of requests failed"),
        (answers(9, 0), None, {}, f"{GREEN}nothing failed"),
        (answers(9, 0), ["request.rate > 0"], {}, f"{GREEN}the threshold held; nothing failed"),
        (
            answers(9, 1),
            ["request.rate > 0", "request.error_rate < 20%"],
            {},
            f"{GREEN}both thresholds held; 10.0 % of requests failed",
        ),
        (
            answers(0, 9),
            ["request.rate > 0", "request.ok == 0"],
            {},
            f"{RED}both thresholds held; 100 % of requests failed",
        ),
        (
            answers(9, 0),
            ["request.rate > 0", "request.ok > 10"],
            {},
            f"{RED}1 of 2 thresholds failed; nothing failed",
        ),
        (
            answers(9, 0, jobs=1, lost=3),
            [],
            {},
            f"{RED}no thresholds were set; 75.0 % of jobs never ended",
        ),
        (
            answers(9, 0, jobs=6, lost=1, jobs_failed=1),
            [],
            {},
            f"{YELLOW}no thresholds were set; 25.0 % of jobs failed or never ended",
        ),
        (
            answers(9, 0, jobs=6, jobs_failed=2),
            [],
            {},
            f"{YELLOW}no thresholds were set; 25.0 % of jobs failed",
        ),
        (
            answers(9, 0),
            [],
            {"interrupted": True},
            f"{YELLOW}interrupted, ended at 0:12; no thresholds were set; nothing failed",
        ),
    ],
)
def test_the_last_line_says_what_the_run_came_to(stats, thresholds, options, line):
    out = io.StringIO()
    console = Console(file=out, width=120, force_terminal=True, color_system="standard")
    results = thresholds and evaluate([Threshold.parse(text) for text in thresholds], stats.fold)
    print_summary(stats.fold.summary(), results, console, **options)
    assert out.getvalue().splitlines()[-1] == f"{line}\x1b[0m"


def test_problems_are_told_in_full_before_the_last_line():
    problem = "12 records are not in the log; graphs of it will lack them"
    text = printed(answers(1, 0), 120, problems=[problem])
    assert text.endswith(f"\n{problem}\nno thresholds were set; nothing failed\n")


def of_names(p95s, *, jobs=20, lost=(), model="m"):
    stats = LiveStats()
    stats.write(request())
    for index, p95 in enumerate(p95s):
        for _ in range(jobs):
            status = "LOST" if index in lost else "SUCCESS"
            stats.write(job(t=50.0, latency=p95, name=f"image-{index}.tif:{model}", status=status))
    return stats


def test_jobs_of_many_names_that_went_alike_are_one_line():
    text = printed(of_names([1.0, 1.2, 1.9, 1.1]), 80)
    assert "  4 names; p95 from 1.00 s (image-0.tif) to 1.90 s (image-2.tif)\n" in text
    assert "image-1" not in text


@pytest.mark.parametrize(
    "stats",
    [
        of_names([1.0, 1.2, 1.9]),
        of_names([1.0, 1.2, 2.1, 1.1]),
        of_names([1.0, 1.2, 1.1, 1.1], lost={2}),
        of_names([1.0, 1.2, 1.1, 1.1], lost={2}, jobs=2),
    ],
)
def test_jobs_of_few_names_or_that_differ_have_a_row_for_each(stats):
    text = printed(stats, 80)
    assert "names;" not in text
    for row in stats.fold.summary().jobs_by_name:
        assert row.name in text


def test_a_model_that_is_a_url_is_left_out_as_a_whole():
    text = printed(of_names([1.0, 1.2, 1.9, 1.1], model="http://models:8080/v1"), 80)
    assert "  4 names; p95 from 1.00 s (image-0.tif) to 1.90 s (image-2.tif)\n" in text


def test_a_few_jobs_of_each_name_do_not_tell_that_they_differ():
    assert "4 names;" in printed(of_names([1.0, 1.2, 4.1, 1.1], jobs=2), 80)


def test_names_of_which_no_job_ended_are_one_line():
    text = printed(of_names([1.0] * 4, lost={0, 1, 2, 3}), 80)
    assert "4 names; the p95 of each is never" in text


def test_the_table_of_a_usual_run_fits_a_terminal_of_24_lines():
    stats = of_names([1.0 + 0.1 * i for i in range(8)])
    stats.write(job(t=50.0, status="FAILED", error="No such object", name="image-0.tif:m"))
    thresholds = ["job.latency.p95 < 20s", "job.error_rate < 5%", "request.error_rate < 1%"]
    files = ["logs/job_status.json", "logs/job_summary.json"]
    text = printed(stats, 80, thresholds=thresholds, log_path="logs/run.jsonl", artifacts=files)
    assert len(text.splitlines()) <= 23  # the prompt is the 24th


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
