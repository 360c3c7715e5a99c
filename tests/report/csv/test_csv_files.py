"""The CSV files of Locust's form: their columns, their numbers, and how they are written."""

import csv
import errno
import math
import os
import re
import resource
import threading
from collections import Counter
from pathlib import Path

import anyio
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import ConfigError
from asyncload.records.record import SENT, Job, Level, Request, Tee
from asyncload.report.csv import csv_files
from asyncload.report.csv.csv_files import CsvFiles
from asyncload.report.csv.rows import type_and_name
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import header, job, records, request

pytestmark = [pytest.mark.every_python, pytest.mark.slow]

PERCENTS = ["50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%"]
# 2026-01-01 00:00 UTC, when feeds.header() says that the run started.
EPOCH = 1767225600


class Bench:
    """CSV files of a run that is written record by record."""

    def __init__(self, prefix):
        self.fold = SummaryFold()
        self.files = CsvFiles(str(prefix), self.fold)
        self.sink = Tee(self.fold, self.files)
        self.files.open()

    def write(self, *written):
        for record in written:
            self.sink.write(record)
        return self

    def read(self):
        """Finish, and give the rows of the three files as dicts."""
        self.files.finish()
        assert self.files.error is None
        return [rows(path) for path in self.files.paths]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "run")


def stats(bench):
    """Rows of the statistics by type and name."""
    return {(row["Type"], row["Name"]): row for row in bench.read()[0]}


# -- the form -----------------------------------------------------------------------


def test_the_columns_are_those_of_locust_to_the_letter(bench):
    bench.read()
    first = {
        path.name: path.read_bytes().splitlines(keepends=True)[0] for path in bench.files.paths
    }
    assert first == {
        "run_stats.csv": b"Type,Name,Request Count,Failure Count,Median Response Time,"
        b"Average Response Time,Min Response Time,Max Response Time,Average Content Size,"
        b"Requests/s,Failures/s,50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%\r\n",
        "run_stats_history.csv": b"Timestamp,User Count,Type,Name,Requests/s,Failures/s,"
        b"50%,66%,75%,80%,90%,95%,98%,99%,99.9%,99.99%,100%,Total Request Count,"
        b"Total Failure Count,Total Median Response Time,Total Average Response Time,"
        b"Total Min Response Time,Total Max Response Time,Total Average Content Size\r\n",
        "run_failures.csv": b"Method,Name,Error,Occurrences\r\n",
    }


def test_before_the_first_request_there_is_a_row_of_nothing(bench):
    (row,) = bench.read()[0]
    counts = list(row.values())[2:9]
    assert (row["Type"], row["Name"], counts) == ("", "Aggregated", ["0"] * 7)
    assert [row["Requests/s"], row["Failures/s"]] == ["0.0", "0.0"]
    assert {row[percent] for percent in PERCENTS} == {"N/A"}


def test_a_row_has_milliseconds_and_bytes(bench):
    bench.write(header(s={"duration": 100}))
    for number, milliseconds in enumerate([10, 20, 30, 40]):
        failed = {"outcome": "failed", "error": "no"} if number == 3 else {}
        bench.write(
            request(
                t=2.0 + number, latency=milliseconds / 1000, name="GET /x", bytes_in=100, **failed
            )
        )
    row = stats(bench)["GET", "/x"]
    assert row == {
        "Type": "GET", "Name": "/x", "Request Count": "4", "Failure Count": "1",
        "Median Response Time": row["50%"], "Average Response Time": "25.0",
        "Min Response Time": "10.0", "Max Response Time": "40.0", "Average Content Size": "100.0",
        # The last answer came at 5 s.
        "Requests/s": "0.8", "Failures/s": "0.2",
        **{percent: row[percent] for percent in PERCENTS},
    }  # fmt: skip
    ranks = [20, 30, 30, 40, 40, 40, 40, 40, 40, 40, 40]
    assert [float(row[percent]) for percent in PERCENTS] == pytest.approx(ranks, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("GET /healthz", ("GET", "/healthz")),
        ("POST /v1/models/a:predict", ("POST", "/v1/models/a:predict")),
        ("DELETE /a b", ("DELETE", "/a b")),
        ("sqs.SendMessage", ("SQS", "sqs.SendMessage")),
        ("sagemaker-runtime.InvokeEndpoint", ("SAGEMAKER-RUNTIME", "sagemaker-runtime.InvokeEndpoint")),
        ("predict", ("PUT", "predict")),
        ("classify", ("REQUEST", "classify")),
        ("Get /x", ("REQUEST", "Get /x")),
        ("GET ", ("REQUEST", "GET ")),
        ("GETTING /x", ("REQUEST", "GETTING /x")),
        ("file.tif", ("REQUEST", "file.tif")),
        ("(other names)", ("REQUEST", "(other names)")),
    ],
)  # fmt: skip
def test_the_type_of_a_request_is_its_method_or_its_service(name, told):
    assert type_and_name("s", name, {("s", "predict"): "PUT"}) == told


def test_the_method_of_a_request_with_a_name_of_its_own_is_in_the_config(bench):
    run = header()
    run.config = {
        "scenarios": [
            {"name": "s", "user": {"requests": [{"name": "predict", "method": "post"}, {}, 3]}},
            {"name": "t", "user": {"requests": [{"name": "predict"}]}},
            {"name": "u", "user": "some:User"},
            "nonsense",
        ]
    }
    bench.write(run)
    for scenario in "stu":
        bench.write(request(scenario=scenario, name="predict"))
    assert set(stats(bench)) == {
        ("POST", "predict"), ("GET", "predict"), ("REQUEST", "predict"), ("", "Aggregated"),
    }  # fmt: skip


def test_the_same_request_of_two_scenarios_is_one_row(bench):
    bench.write(
        header(a={"duration": 10}, b={"duration": 10}),
        request(t=4.0, scenario="a", name="GET /x", latency=0.1),
        request(t=8.0, scenario="b", name="GET /x", latency=0.3, outcome="timeout", error="late"),
    )
    found = stats(bench)
    assert list(found) == [("GET", "/x"), ("", "Aggregated")]
    for row in found.values():
        assert (row["Request Count"], row["Failure Count"]) == ("2", "1")
        assert (row["Min Response Time"], row["Max Response Time"]) == ("100.0", "300.0")
        assert row["Requests/s"] == "0.25"


def test_arrivals_that_were_dropped_are_no_requests(bench):
    bench.write(request(name="GET /x"), request(outcome="dropped", name="(dropped)"))
    _, history, _ = bench.write(Level(1.0, "s", 1.0, 1, 1, 0)).read()
    assert stats(bench)["", "Aggregated"]["Request Count"] == "1"
    assert history[-1]["Total Request Count"] == "1"


def test_latency_counts_from_when_a_request_was_due(bench):
    bench.write(request(t=5.0, latency=2.0, lateness=1.5, name="GET /x"))
    assert stats(bench)["GET", "/x"]["Max Response Time"] == "2000.0"


def test_jobs_have_rows_and_are_not_in_the_row_of_all(bench):
    bench.write(
        request(t=1.0, name="sqs.SendMessage", latency=0.01),
        job(t=10.0, latency=4.0),
        job(t=20.0, latency=6.0, status="PARTIAL"),
        job(t=20.0, latency=8.0, status="FAILED", error="bad tile"),
    )
    found = stats(bench)
    row = found["JOB", "x.tif:m"]
    assert (row["Request Count"], row["Failure Count"]) == ("3", "1")
    assert (row["Average Response Time"], row["100%"]) == ("6000.0", "8000.0")
    assert (row["Requests/s"], row["Failures/s"]) == ("0.15", "0.05")
    assert found["", "Aggregated"]["Request Count"] == "1"
    assert rows(bench.files.paths[2]) == [
        {"Method": "JOB", "Name": "x.tif:m", "Error": "FAILED: bad tile", "Occurrences": "1"}
    ]


def test_a_percentile_that_falls_among_jobs_that_never_ended_is_not_available(bench):
    bench.write(*(job(t=10.0, latency=4.0) for _ in range(8)))
    bench.write(
        job(t=30.0, status="LOST", error="the drain ended"), job(t=20.0, status="TIMED_OUT")
    )
    row = stats(bench)["JOB", "x.tif:m"]
    assert (row["Request Count"], row["Failure Count"]) == ("10", "2")
    assert [row[percent] for percent in PERCENTS] == ["4000.0"] * 4 + ["N/A"] * 7
    # What never ended is in no rate: a rate is of what was done.
    assert (row["Requests/s"], row["Failures/s"]) == ("0.8", "0.0")


def test_jobs_of_which_none_ended_have_no_times(bench):
    bench.write(job(status="LOST"), job(status="LOST"))
    row = stats(bench)["JOB", "x.tif:m"]
    assert list(row.values())[2:11] == ["2", "2", *["N/A"] * 4, "0.0", "0.0", "0.0"]


# -- the numbers ----------------------------------------------------------------------


def percentile_holds(written, latencies, percent):
    """The nearest rank of the latencies, or up to one bucket (0.1 %, at least 1 µs) above it."""
    exact = 1000 * float(np.percentile(latencies, percent, method="inverted_cdf"))
    return exact - 0.0011 <= float(written) <= exact * (1 + 1 / 1024) + 0.0011


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(1e-6, 3000, allow_nan=False), min_size=1, max_size=300))
def test_percentiles_are_numpys_to_within_the_precision_of_a_histogram(tmp_path_factory, latencies):
    bench = Bench(tmp_path_factory.mktemp("csv") / "x")
    exact = []
    for latency in latencies:
        one = request(t=5000.0, latency=latency, name="GET /x")
        exact.append(one.end - one.due)
        bench.write(one)
    bench.write(Level(5000.5, "s", 1.0, 1, 0, 0))
    written, history, _ = bench.read()
    for row in (*written, history[-1]):
        for percent in PERCENTS:
            assert percentile_holds(row[percent], exact, float(percent[:-1])), percent


@settings(deadline=None, max_examples=60)
@given(st.lists(records, max_size=60))
def test_rows_hold_what_the_records_say_whatever_came(tmp_path_factory, feed):
    bench = Bench(tmp_path_factory.mktemp("csv") / "x").write(*feed)
    written, _, failures = bench.read()
    told = {(row["Type"], row["Name"]): row for row in written}
    assert len(told) == len(written)
    sent = [one for one in feed if isinstance(one, Request) and one.outcome in SENT]
    jobs = [one for one in feed if isinstance(one, Job)]
    groups = {("REQUEST", one.name): [] for one in sent} | {("JOB", one.name): [] for one in jobs}
    groups["", "Aggregated"] = []
    assert set(told) == set(groups)
    for one in sent:
        groups["REQUEST", one.name].append(one)
        groups["", "Aggregated"].append(one)
    for one in jobs:
        groups["JOB", one.name].append(one)
    for key, group in groups.items():
        row = told[key]
        bad = [one for one in group if is_bad(one)]
        assert (int(row["Request Count"]), int(row["Failure Count"])) == (len(group), len(bad))
        ends = [one.observed if isinstance(one, Job) else one.end for one in group]
        latencies = [end - one.due for end, one in zip(ends, group, strict=True) if end is not None]
        if latencies:
            mean = 1000 * math.fsum(latencies) / len(latencies)
            assert float(row["Average Response Time"]) == pytest.approx(mean, abs=0.0011)
            assert float(row["Min Response Time"]) == pytest.approx(1000 * min(latencies), abs=1e-3)
            assert float(row["Max Response Time"]) == pytest.approx(1000 * max(latencies), abs=1e-3)
        if key[0] != "JOB" and group:
            size = sum(one.bytes_in or 0 for one in group) / len(group)
            assert float(row["Average Content Size"]) == pytest.approx(size, abs=1e-3)
    bad = Counter(is_job for is_job in (isinstance(one, Job) for one in sent + jobs if is_bad(one)))
    for is_job in (True, False):
        found = [row for row in failures if (row["Method"] == "JOB") == is_job]
        assert sum(int(row["Occurrences"]) for row in found) == bad[is_job]


def is_bad(one):
    if isinstance(one, Job):
        return one.status in {"FAILED", "TIMED_OUT", "LOST"}
    return one.outcome != "ok"


# -- the history ------------------------------------------------------------------------


def test_the_history_has_a_row_a_second_of_the_run_so_far(bench):
    bench.write(header(s={}, u={}))
    for second in range(15):
        bench.write(
            Level(second + 0.001, "s", 5.0, second, 1, 0), Level(second + 0.001, "u", 5.0, 2, 1, 0)
        )
        for number in range(second):
            failed = {"outcome": "failed", "error": "no"} if number == 0 else {}
            bench.write(request(t=second + 0.5, latency=0.1 * second, bytes_in=10, **failed))
    _, history, _ = bench.read()
    assert [int(row["Timestamp"]) for row in history] == [EPOCH + n for n in range(15)]
    assert [int(row["User Count"]) for row in history] == [n + 2 for n in range(15)]
    assert {(row["Type"], row["Name"]) for row in history} == {("", "Aggregated")}
    totals = [n * (n - 1) // 2 for n in range(15)]
    failures = [max(n - 1, 0) for n in range(15)]
    assert [int(row["Total Request Count"]) for row in history] == totals
    assert [int(row["Total Failure Count"]) for row in history] == failures
    for now in range(1, 15):
        # Rates are over the last ten seconds, or all there are.
        then = max(now - 10, 0)
        row = history[now]
        rate = (totals[now] - totals[then]) / (now - then)
        assert float(row["Requests/s"]) == pytest.approx(rate, abs=1e-6)
        failing = (failures[now] - failures[then]) / (now - then)
        assert float(row["Failures/s"]) == pytest.approx(failing, abs=1e-6)
    # 14 s: latencies of 0.2 s twice … 1.3 s 13 times, and 0.1 s once.
    latencies = [0.1 * second for second in range(14) for _ in range(second)]
    assert float(history[-1]["Total Max Response Time"]) == pytest.approx(1300)
    assert float(history[-1]["Total Min Response Time"]) == pytest.approx(100)
    mean = 1000 * np.mean(latencies)
    assert float(history[-1]["Total Average Response Time"]) == pytest.approx(mean, abs=1e-3)
    assert history[-1]["Total Median Response Time"] == history[-1]["50%"]
    assert percentile_holds(history[-1]["95%"], latencies, 95)
    assert history[-1]["Total Average Content Size"] == "10.0"


def test_the_last_row_of_a_second_that_has_two_stands(bench):
    bench.write(
        header(s={}),
        Level(4.0, "s", 5.0, 1, 1, 0),
        Level(5.001, "s", 5.0, 2, 1, 0),
        request(t=5.1),
        Level(5.3, "s", 0.0, 0, 0, 0),
    )
    _, history, _ = bench.read()
    assert [int(row["Timestamp"]) - EPOCH for row in history] == [4, 5]
    assert (history[-1]["User Count"], history[-1]["Total Request Count"]) == ("0", "1")


def test_the_last_row_of_the_history_is_that_of_all(bench):
    bench.write(header(s={"duration": 10}))
    for number in range(50):
        bench.write(request(t=number / 10, latency=number / 100, name=f"GET /{number % 3}"))
    bench.write(Level(5.0, "s", 1.0, 1, 0, 0))
    written, history, _ = bench.read()
    for column in list(written[-1])[2:9]:
        assert history[-1][f"Total {column}"] == written[-1][column]
    for percent in PERCENTS:
        assert history[-1][percent] == written[-1][percent]


# -- reading ------------------------------------------------------------------------------


def test_names_and_errors_of_any_characters_come_back_as_they_were(bench):
    odd = 'a,"b"\nc;\td – é'
    bench.write(request(name=odd, outcome="failed", error=f"it said\n{odd}"))
    assert ("REQUEST", odd) in stats(bench)
    (failure,) = rows(bench.files.paths[2])
    assert (failure["Name"], failure["Error"]) == (odd, f"it said\n{odd}")


def test_half_a_character_in_an_error_does_not_stop_the_files(bench):
    bench.write(request(outcome="failed", error="half a \ud83d"))
    _, _, (failure,) = bench.read()
    assert failure["Error"] == "half a \\ud83d"


def test_failures_are_sorted_by_how_often_they_came(bench):
    for number, error in enumerate(["rare", "often", "often", "often", "twice", "twice"]):
        bench.write(request(t=float(number), name="GET /x", outcome="failed", error=error))
    _, _, failures = bench.read()
    assert [(row["Method"], row["Error"], row["Occurrences"]) for row in failures] == [
        ("GET", "often", "3"), ("GET", "twice", "2"), ("GET", "rare", "1"),
    ]  # fmt: skip


def test_polars_reads_the_files_as_numbers(bench):
    bench.write(header(s={}), Level(0.0, "s", 1.0, 1, 0, 0))
    bench.write(request(name="GET /x"), Level(1.0, "s", 1.0, 1, 0, 0)).read()
    table, history, _ = (pl.read_csv(path, null_values="N/A") for path in bench.files.paths)
    assert table["Request Count"].to_list() == [1, 1]
    assert table["99.9%"].dtype == history["99.9%"].dtype == pl.Float64
    assert history["Timestamp"].to_list() == [EPOCH, EPOCH + 1]
    assert history["50%"].null_count() == 1


# -- writing ------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_files_follow_the_run_and_a_reader_never_finds_half_of_one(bench, monkeypatch):
    monkeypatch.setattr(csv_files, "INTERVAL", 0.01)
    stop = threading.Event()
    problems, seen = [], set()

    def read():
        while not stop.is_set():
            try:
                table = rows(bench.files.paths[0])
                seen.add(int(table[-1]["Request Count"]))
                assert table[-1]["Name"] == "Aggregated"
                whole = sum(int(row["Request Count"]) for row in table[:-1])
                assert whole == int(table[-1]["Request Count"])
                rows(bench.files.paths[2])
            except Exception as problem:
                problems.append(repr(problem))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(bench.files.keep_up_to_date)
            for second in range(60):
                for name in range(40):
                    bench.write(request(t=float(second), name=f"GET /{name}"))
                bench.write(Level(float(second), "s", 1.0, 1, 0, 0))
                await anyio.sleep(0.01)
            with anyio.fail_after(30):
                while len(rows(bench.files.paths[1])) < 59:
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()
    finally:
        stop.set()
        reader.join()
    assert problems == []
    assert len(seen) > 3
    written, history, _ = bench.read()
    assert written[-1]["Request Count"] == "2400"
    assert [int(row["Timestamp"]) for row in history] == list(range(60))
    left = sorted(path.name for path in bench.files.paths[0].parent.iterdir())
    assert left == ["run_failures.csv", "run_stats.csv", "run_stats_history.csv"]


def test_files_of_an_earlier_run_are_written_over(tmp_path):
    first = Bench(tmp_path / "run").write(header(s={}))
    for second in range(30):
        first.write(request(outcome="failed", error="no"), Level(float(second), "s", 1.0, 1, 0, 0))
    first.read()
    written, history, failures = Bench(tmp_path / "run").read()
    assert [row["Name"] for row in written] == ["Aggregated"]
    assert history == failures == []


def test_a_folder_that_is_not_there_yet_is_made(tmp_path):
    Bench(tmp_path / "a" / "b" / "run").read()
    assert (tmp_path / "a" / "b" / "run_stats.csv").is_file()


def test_a_disk_that_is_full_for_a_while_costs_no_row(bench):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def at(second):
        bench.write(request(t=float(second)), Level(float(second), "s", 1.0, 1, 0, 0))

    at(0)
    at(1)
    bench.files.finish()
    size = bench.files.paths[1].stat().st_size
    at(2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, limits[1]))
    try:
        bench.files.finish()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert bench.files.error == (
        f"cannot write {bench.files.paths[0]}: {os.strerror(errno.EFBIG)}; "
        "make sure that its folder exists and can be written to"
    )
    at(3)
    written, history, _ = bench.read()
    assert written[-1]["Request Count"] == "4"
    assert [row["Timestamp"] for row in history] == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("", "csv: '' is a folder; add how the names of the files in it begin, such as run"),
        ("out/", "csv: 'out/' is a folder; .* such as out/run"),
        ("file/x", "csv: cannot write file/x_stats.csv: .*/file is not a folder; choose another"),
        ("taken", "csv: cannot write taken_failures.csv: taken_failures.csv is a folder; choose"),
        ("a\0b", "csv: cannot write a\0b_stats.csv: .+; choose another prefix"),
    ],
)  # fmt: skip
def test_a_prefix_that_cannot_be_written_to_is_refused(tmp_path, monkeypatch, prefix, sentence):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("taken_failures.csv").mkdir()
    with pytest.raises(ConfigError, match=f"^{sentence}"):
        CsvFiles(prefix, SummaryFold())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken_failures.csv"]


def test_a_place_that_only_the_file_system_refuses_is_told_when_the_files_are_opened():
    files = CsvFiles("/proc/nowhere/x", SummaryFold())
    with pytest.raises(
        ConfigError, match=re.escape("csv: cannot write /proc/nowhere/x_stats.csv: ")
    ):
        files.open()
