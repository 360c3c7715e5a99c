"""What a log says of its own run, and which of its arrivals a comparison counts."""

import math

import msgspec
import numpy as np
import pytest

from asyncload.compare.files import markdown, to_dict
from asyncload.compare.log_side import read_log_side
from asyncload.compare.pairing import compare_paths
from asyncload.compare.pooling import pool
from asyncload.compare.table import conclusion_text
from asyncload.records.log import LogReader
from asyncload.records.record import Request
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.verdict import Reason, Verdict
from tests.compare.two_runs import (
    by_metric,
    csv_file,
    csv_row,
    jobs,
    requests,
    run_header,
    steady,
    write_log,
)

pytestmark = pytest.mark.slow


def judged(*codes):
    reasons = tuple(Reason(code, f"{code} was seen", "mend it") for code in codes)
    return msgspec.to_builtins(Verdict.of(reasons))


@pytest.fixture
def log(tmp_path):
    """Write a log of one service, half as slow again if ``slower``, with reasons of its verdict."""

    def write(name, *codes, slower=1.0, **summary):
        sample = steady(40.0)(np.random.default_rng(1), slower)
        if codes:
            summary["verdict"] = judged(*codes)
        return write_log(tmp_path / f"{name}.jsonl", requests(sample), **summary)

    return write


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_of_an_invalid_run_nothing_can_be_told(log, side):
    bad, good = log("bad", "generator_late", "unsteady"), log("good", slower=1.5)
    found = compare_paths(*((bad, good) if side == "baseline" else (good, bad)))
    assert found.exit_code == 3
    for change in found.rows[0].changes:
        assert change.verdict == "cannot tell"
        assert change.reason == f"the {side} is invalid: generator_late"
    assert found.remarks == (
        f"{side}: the run is invalid, generator_late: generator_late was seen",
    )
    assert found.invalid == (f"{side}: generator_late",)
    assert to_dict(found)["invalid"] == [f"{side}: generator_late"]
    assert conclusion_text(found) == (
        f"nothing could be told, for a run is invalid ({side}: generator_late)"
    )
    assert "nothing could be told" in markdown(found).splitlines()[0]


def test_what_is_unsteady_is_compared_with_a_remark(log):
    found = compare_paths(log("a", "unsteady"), log("b"))
    assert found.exit_code == 0
    assert found.remarks == ("baseline: the run is inconclusive, unsteady: unsteady was seen",)


@pytest.mark.parametrize("codes", [(), ("threshold_failed",), ("too_few_samples",)])
def test_a_run_that_failed_or_has_no_verdict_is_compared_as_any_other(log, codes):
    found = compare_paths(log("a", *codes), log("b", slower=1.5))
    assert (found.exit_code, found.remarks) == (1, ())


@pytest.mark.parametrize(
    "verdict", [None, "invalid", {}, {"state": 3}, {"state": "valid", "reasons": 5}]
)
def test_a_verdict_in_another_form_is_none(log, verdict):
    assert compare_paths(log("a", verdict=verdict), log("b")).exit_code == 0


def test_an_invalid_run_of_several_makes_their_side_invalid(log):
    found = compare_paths([log("a"), log("b", "loop_blocked")], [log("c")])
    assert found.exit_code == 3
    assert found.remarks[0].endswith(
        "b.jsonl: the run is invalid, loop_blocked: loop_blocked was seen"
    )


def test_one_invalid_file_of_a_folder_is_no_success(log, tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        log(f"{folder}/good")
        log(f"{folder}/bad", *(["clock_jumped"] if folder == "two" else []))
    found = compare_paths(tmp_path / "one", tmp_path / "two")
    assert (found.exit_code, found.invalid) == (3, ("bad: candidate: clock_jumped",))
    assert conclusion_text(found) == "nothing is worse, 6 the same, 6 cannot be told, 1 run invalid"


# -- one population ----------------------------------------------------------------------------


def arrivals(number, outcome, *, name="predict", scenario="web"):
    due = np.linspace(0.0, 59.0, number).tolist()
    started = None if outcome == "dropped" else 0.0
    return [
        Request(d + 0.01, scenario, 0, name, d, d + 0.01, outcome, None if started is None else d)
        for d in due
    ]


@pytest.mark.parametrize("warmup", [0, 20])
def test_every_arrival_counts_as_in_the_summary(tmp_path, warmup):
    records = [
        *requests(steady(rate=30.0)(np.random.default_rng(1))),
        *arrivals(60, "timeout"),
        *arrivals(40, "failed"),
        *arrivals(50, "dropped", name="(dropped)"),
        *arrivals(30, "interrupted"),
        *jobs([(at, 2.0 + at / 100) for at in np.linspace(0, 55, 300).tolist()]),
        *jobs([(30.0, None), (31.0, None)]),
    ]
    header = run_header()
    header = msgspec.structs.replace(header, config={**header.config, "warmup": warmup})
    path = write_log(tmp_path / "run.jsonl", records, header)
    assert len({row.name for row in read_log_side(path).rows}) == len(("predict", "x.tif:m"))
    fold = SummaryFold()
    for record in LogReader(path):
        fold.write(record)
    summary = fold.summary()
    (row,), (job,) = summary.requests_by_name, summary.jobs_by_name
    mine = {measured.type: measured for measured in read_log_side(path).rows}
    assert mine[""].beyond == row.latency.beyond > 0
    for measured, expected, number in (
        (mine[""], row, row.count),
        (mine["JOB"], job, job.submitted),
    ):
        assert measured.count == number
        assert measured.values["average"] == pytest.approx(expected.latency.mean, rel=1e-4)
        assert measured.values["rate"] == pytest.approx(expected.rate)
        assert measured.values["failures"] == pytest.approx(expected.error_rate)
        for metric, percentile in (("median", "p50"), ("p95", "p95"), ("p99", "p99")):
            value = getattr(expected.latency, percentile) or math.inf
            assert measured.values[metric] == pytest.approx(value, rel=0.002)


def test_requests_that_fail_fast_make_no_percentile_better(tmp_path):
    fine = write_log(tmp_path / "a.jsonl", requests(steady(40.0)(np.random.default_rng(1))))
    broken = [*requests(steady(30.0)(np.random.default_rng(2))), *arrivals(600, "failed")]
    found = by_metric(compare_paths(fine, write_log(tmp_path / "b.jsonl", broken)).rows[0])
    assert (found["p95"].candidate, found["p95"].verdict) == (math.inf, "worse")
    assert found["failures"].verdict == "worse"
    assert found["average"].reason == "of the requests that ended well"


def test_of_dropped_arrivals_of_several_names_none_is_known(tmp_path):
    sample = steady()(np.random.default_rng(1))
    path = write_log(
        tmp_path / "run.jsonl",
        [*requests(sample), *requests(sample, name="list"), *arrivals(50, "dropped")],
    )
    assert [row.beyond for row in read_log_side(path).rows] == [0, 0]


def test_where_half_of_the_requests_failed_there_is_no_average(tmp_path):
    sample = steady()(np.random.default_rng(1))
    path = write_log(tmp_path / "run.jsonl", [*requests(sample), *arrivals(5000, "failed")])
    side = read_log_side(path)
    reason = "has requests of which half or more did not end well"
    assert side.rows[0].missing["average"] == reason
    again = read_log_side(path, keep_times=True)
    assert pool([again, again]).rows[0].missing["average"].endswith(reason)


@pytest.mark.parametrize(("failed", "told"), [(0, False), (5, True)])
def test_a_csv_with_failures_beside_a_log_is_told_to_have_other_times(tmp_path, failed, told):
    log = write_log(tmp_path / "a.jsonl", requests(steady(40.0)(np.random.default_rng(1)), name="POST /predict"))  # fmt: skip
    csv = csv_file(tmp_path / "b.csv", csv_row(failed=failed))
    for pair in ((log, csv), (csv, log)):
        remarks = " ".join(compare_paths(*pair).remarks)
        assert ("as of POST /predict, average and percentiles" in remarks) is told
    assert "as Locust does" not in " ".join(compare_paths(csv, csv).remarks)
