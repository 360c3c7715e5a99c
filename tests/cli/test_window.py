"""A window of load with what it leaves: progress in plain text, the drain, and CSV files."""

from __future__ import annotations

import csv
import os
import re
import signal
import time

import numpy as np
import pytest

from asyncload.records.log import LogReader
from asyncload.records.record import Job, Level, Request, RunHeader

pytestmark = pytest.mark.slow

NAMES = ("stats", "stats_history", "failures")
WORKING = """
import random
import anyio
from asyncload import User, task

class Worker(User):
    @task()
    async def work(self):
        with self.measure(random.choice(["GET /a", "POST /b", "c"])) as call:
            await anyio.sleep(random.expovariate(50))
            call.bytes_in = random.randrange(1000)
            if random.random() < 0.1:
                call.fail("it said, no")
"""


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tables(folder, prefix):
    return [rows(folder / f"{prefix}_{name}.csv") for name in NAMES]


@pytest.fixture
def working(asyncload):
    """A shell in which the config needs no service at all."""
    (asyncload.folder / "workers.py").write_text(WORKING)
    asyncload.config.write_text("""
scenarios:
  - name: one
    load: {shape: {kind: constant, level: 60}, duration: 3s}
    user: workers:Worker
  - name: two
    load: {model: closed, shape: {kind: spawn, users: 3, spawn_rate: 2}, duration: 3s}
    user: workers:Worker
""")
    return asyncload


# -- CSV files ------------------------------------------------------------------------


def test_the_csv_files_of_a_run_agree_with_its_log_and_are_made_again_from_it(working):
    ended = working("run", "test.yaml", "--quiet", "--csv", "out/x")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "out/x_stats_history.csv" in ended.stdout
    header, *records = LogReader(working.folder / "logs" / "run.jsonl")
    assert isinstance(header, RunHeader)
    stats, history, failures = tables(working.folder / "out", "x")
    requests = [one for one in records if isinstance(one, Request)]
    groups = {("GET", "/a"): "GET /a", ("POST", "/b"): "POST /b", ("REQUEST", "c"): "c"}
    assert [(row["Type"], row["Name"]) for row in stats] == [*groups, ("", "Aggregated")]
    for row in stats:
        name = groups.get((row["Type"], row["Name"]))
        mine = [one for one in requests if name in {None, one.name}]
        times = [1000 * (one.end - one.due) for one in mine]
        assert int(row["Request Count"]) == len(mine) > 50
        assert int(row["Failure Count"]) == sum(one.outcome == "failed" for one in mine)
        size = sum(one.bytes_in for one in mine) / len(mine)
        assert float(row["Average Content Size"]) == pytest.approx(size, abs=1e-3)
        assert float(row["Average Response Time"]) == pytest.approx(np.mean(times), abs=1e-3)
        assert float(row["Max Response Time"]) == pytest.approx(max(times), abs=1e-3)
        span = min(max(one.end for one in mine), 3.0)
        assert float(row["Requests/s"]) == pytest.approx(len(mine) / span, rel=0.05)
        for percent in ("50%", "95%", "99.9%", "100%"):
            exact = np.percentile(times, float(percent[:-1]), method="inverted_cdf")
            assert float(row[percent]) == pytest.approx(exact, rel=1.1e-3, abs=1.1e-3)
    assert sum(int(row["Occurrences"]) for row in failures) == int(stats[-1]["Failure Count"])
    assert {row["Error"] for row in failures} == {"it said, no"}
    levels = [one for one in records if isinstance(one, Level)]
    seconds = {round(one.t) for one in levels}
    assert len(seconds) - 1 <= len(history) <= len(seconds)
    assert history[-1]["Total Request Count"] == stats[-1]["Request Count"]
    at = dict.fromkeys(round(one.t) for one in levels)
    for one in levels:
        at[round(one.t)] = (at[round(one.t)] or 0) + one.users
    assert int(history[2]["User Count"]) == at[2] >= 2

    again = working("summary", "logs/run.jsonl", "--csv", "again")
    assert (again.returncode, again.stderr) == (0, "")
    assert "again_stats.csv" in again.stdout
    for name in NAMES:
        made = (working.folder / f"again_{name}.csv").read_bytes()
        assert made == (working.folder / "out" / f"x_{name}.csv").read_bytes()


def test_jobs_have_rows_of_their_own_and_quiet_prints_the_final_table_alone(on_stack):
    ended = on_stack("run", "test.yaml", "--quiet", "--csv", "x", "--set=stats_interval=0.2s")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("Requests  latency")
    jobs = [
        one for one in LogReader(on_stack.folder / "logs" / "run.jsonl") if isinstance(one, Job)
    ]
    stats, _, _ = tables(on_stack.folder, "x")
    found = {(row["Type"], row["Name"]): int(row["Request Count"]) for row in stats}
    assert found.pop(("SQS", "sqs.SendMessage")) == found.pop(("", "Aggregated")) == 4
    assert found == {("JOB", job.name): 1 for job in jobs}
    slowest = max(float(row["100%"]) for row in stats if row["Type"] == "JOB")
    assert slowest == pytest.approx(1000 * max(job.observed - job.due for job in jobs), abs=1e-3)


def test_csv_files_are_readable_after_kill_minus_nine_and_complete_after_a_summary(working):
    log = working.folder / "logs" / "run.jsonl"
    with working.start(
        "run", "test.yaml", "--quiet", "--csv", "x",
        "--set=scenarios.0.load.duration=60s", "--set=scenarios.1.load.duration=60s",
    ) as run:  # fmt: skip
        deadline = time.monotonic() + 40
        history = working.folder / "x_stats_history.csv"
        while not history.exists() or len(rows(history)) < 4:
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.kill()
        run.communicate()
    stats, history, _ = tables(working.folder, "x")
    assert stats[-1]["Name"] == "Aggregated"
    counts = [int(row["Request Count"]) for row in stats]
    assert sum(counts[:-1]) == counts[-1] > 100
    stamps = [int(row["Timestamp"]) for row in history]
    assert stamps == list(range(stamps[0], stamps[0] + len(stamps)))
    assert None not in history[-1].values()

    assert working("summary", log.relative_to(working.folder), "--csv", "x").returncode == 0
    sent = sum(isinstance(one, Request) for one in LogReader(log))
    stats, longer, _ = tables(working.folder, "x")
    assert int(stats[-1]["Request Count"]) == sent > 100
    assert longer[: len(history)] == history


@pytest.mark.parametrize(
    ("prefix", "problem"),
    [
        ("logs/", "'logs/' is a folder; add how the names of the files in it begin, such as"),
        ("test.yaml/x", "cannot write test.yaml/x_stats.csv: {}/test.yaml is not a folder; choose"),
        ("/proc/none/x", "cannot write /proc/none/x_stats.csv: No such file or directory; choose"),
    ],
)
def test_a_prefix_that_cannot_be_written_to_ends_the_run_before_the_load(working, prefix, problem):
    ended = working("run", "test.yaml", "--csv", prefix, "--quiet")
    assert ended.sentence.startswith(f"csv: {problem.format(working.folder)}")
    assert (ended.returncode, ended.stdout) == (2, "")
    log = working.folder / "logs" / "run.jsonl"
    assert not log.exists() or log.stat().st_size == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(working):
    (working.folder / "closed").mkdir(mode=0o500)
    ended = working("run", "test.yaml", "--csv", "closed/x", "--quiet")
    assert ended.sentence.startswith("csv: cannot write closed/x_stats.csv: Permission denied")
    assert ended.returncode == 2


def test_a_log_that_is_not_there_leaves_older_csv_files_as_they_are(working):
    (working.folder / "x_stats.csv").write_text("old")
    ended = working("summary", "nowhere.jsonl", "--csv", "x")
    assert ended.returncode == 2
    assert (working.folder / "x_stats.csv").read_text() == "old"


# -- progress in plain text -------------------------------------------------------------


def test_the_seven_totals_are_printed_at_each_interval_and_at_the_end(on_stack):
    sets = ["--set=stats_interval=1s", "--set=scenarios.0.load.duration=3s"]
    ended = on_stack("run", "test.yaml", *sets)
    assert (ended.returncode, ended.stderr) == (0, "")
    above, table = ended.stdout.split("Requests  latency")
    totals = re.findall(
        r"^ +(\d:\d\d) jobs   (\d+) sent  (\d+) in progress  (\d+) processed  (\d+) succeeded"
        r"  (\d+) failed  [\d.]+ [kM]?B  [\d.]+ [kM]?px$",
        above,
        re.MULTILINE,
    )
    assert len(totals) >= 4
    for _, sent, in_progress, processed, _, _ in totals:
        assert int(sent) == int(in_progress) + int(processed)
    assert [int(number) for number in totals[-1][1:]] == [12, 0, 12, 12, 0]
    assert "12 submitted = 12 succeeded" in table


# -- the drain --------------------------------------------------------------------------


def test_ctrl_c_in_a_drain_without_limit_ends_it_and_reports(asyncload):
    with asyncload.start(
        "run", "test.yaml", "--set=aws.endpoint_url=local", "--set=drain=unlimited",
        "--set=stats_interval=1s", "--set=local.service_time.mean=300s", "--set=local.workers=1",
    ) as run:  # fmt: skip
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if re.search(r"drain  waiting since 0:01 for 4 jobs, no limit", line):
                break
        assert any("drain" in line for line in said), run.communicate()
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert err == "stopping: no longer waiting for open jobs; Ctrl-C again to stop now\n"
    assert "4 submitted = 0 succeeded + 0 partial + 0 failed + 0 timed out + 4 lost" in out
    header = next(iter(LogReader(asyncload.folder / "logs" / "run.jsonl")))
    assert header.config["drain"] == "unlimited"


@pytest.mark.parametrize(
    ("drain", "told"),
    [
        ("unlimited", "until no job is open; a job's own timeout holds"),
        ("0", "none; what is still open then is given up"),
        ("90", "up to 1:30 more, for what is still open then"),
    ],
)
def test_check_tells_how_long_the_drain_is(asyncload, drain, told):
    ended = asyncload("check", "test.yaml", f"--set=drain={drain}")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(rf"^drain +{re.escape(told)} *$", ended.stdout, re.MULTILINE)
