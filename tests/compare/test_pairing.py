"""What of two logs, CSVs or folders is compared with what, and with which numbers."""

import json
import math
import shutil

import numpy as np
import pytest

from asyncload.compare.comparison import METRICS
from asyncload.compare.files import to_dict
from asyncload.compare.folders import file_of
from asyncload.compare.log_side import side_of
from asyncload.compare.pairing import compare_paths, compare_sides, read_side
from asyncload.errors import ConfigError, LogError
from tests.compare.two_runs import (
    by_metric,
    csv_file,
    csv_row,
    jobs,
    log_of,
    requests,
    run_header,
    steady,
    verdicts,
    write_log,
)

pytestmark = pytest.mark.slow


def rng(seed=1):
    return np.random.default_rng(seed)


# -- logs ----------------------------------------------------------------------------


def test_jobs_that_never_end_count_in_percentiles_and_are_left_out_of_the_average(tmp_path):
    due = np.linspace(0.0, 59.0, 600).tolist()
    fine = write_log(tmp_path / "a.jsonl", jobs([(at, 2.0) for at in due]))
    some = [(at, None if index % 15 == 0 else 2.0) for index, at in enumerate(due)]
    lossy = write_log(tmp_path / "b.jsonl", jobs(some))
    change = by_metric(compare_paths(fine, lossy).rows[0])
    assert (change["p95"].candidate, change["p95"].change) == (math.inf, math.inf)
    assert change["p95"].verdict == change["p99"].verdict == change["failures"].verdict == "worse"
    assert change["median"].verdict == "same"
    assert change["average"].reason == "of the jobs that ended"
    back = by_metric(compare_paths(lossy, fine).rows[0])
    assert back["p95"].verdict == "better"
    both = by_metric(compare_paths(lossy, lossy).rows[0])
    assert (both["p95"].verdict, both["p95"].reason) == ("cannot tell", "never on both sides")


def test_the_average_of_the_few_jobs_that_ended_says_nothing(tmp_path):
    due = np.linspace(0.0, 59.0, 100).tolist()
    fine = write_log(tmp_path / "a.jsonl", jobs([(at, 2.0) for at in due]))
    half = write_log(
        tmp_path / "b.jsonl",
        jobs([(at, 0.1 if index % 2 else None) for index, at in enumerate(due)]),
    )
    none = write_log(tmp_path / "c.jsonl", jobs([(at, None) for at in due]))
    change = by_metric(compare_paths(fine, half).rows[0])
    assert change["average"].verdict == "cannot tell"
    assert change["average"].reason == ("the candidate has jobs of which half or more never ended")
    change = by_metric(compare_paths(fine, none).rows[0])
    assert change["rate"].verdict == change["median"].verdict == "worse"
    assert change["average"].verdict == "cannot tell"


def test_a_short_run_has_no_interval_and_tells_of_failures_alone():
    sample = np.linspace(0, 8.9, 2000), np.full(2000, 0.1)
    short = side_of(log_of(sample, duration=9.0))
    found = by_metric(compare_sides(short, short).rows[0])
    assert found["failures"].verdict == "same"
    for metric in METRICS[:-1]:
        assert found[metric].reason == "the baseline has less than 10 s of load"


def test_a_name_that_is_in_less_than_half_of_a_run_cannot_be_compared():
    sample = np.append(np.linspace(0, 15, 2000), 59.0), np.full(2001, 0.1)
    brief = side_of(log_of(sample))
    found = by_metric(compare_sides(brief, brief).rows[0])
    assert found["average"].reason == "requests in less than half of the run"


def test_only_so_many_names_are_compared_and_it_is_said(tmp_path):
    records = []
    for index in range(503):
        due = np.linspace(0, 59, 1 if index < 3 else 2)
        records += requests((due, np.full(len(due), 0.1)), name=f"name {index:03}")
    path = write_log(tmp_path / "run.jsonl", records)
    found = compare_paths(path, path)
    assert len(found.rows) == 500
    assert not {"name 000", "name 001", "name 002"} & {row.label for row in found.rows}
    assert "baseline: left out 3 names with the fewest requests; 500 are compared" in found.remarks


def test_what_a_reader_should_know_of_the_logs_is_said(tmp_path):
    sample = requests(steady()(rng()))
    before = write_log(tmp_path / "a.jsonl", sample, run_header(level=5))
    after = write_log(tmp_path / "b.jsonl", sample, run_header(level=50))
    after.write_bytes(after.read_bytes().rpartition(b'{"type":"summary"')[0] + b"torn")
    found = compare_paths(before, after)
    assert found.remarks == (
        "candidate: the log has no summary at its end: the run was killed, or goes on",
        "candidate: left out 1 line that could not be read",
        "the load of web was not the same in both runs; what changed may come from that",
    )
    assert compare_paths(before, before).remarks == ()


# -- what belongs together ------------------------------------------------------------


def test_the_type_tells_rows_of_one_name_apart_and_is_passed_over_otherwise(tmp_path):
    before = csv_file(tmp_path / "a.csv", csv_row("/x", "GET"), csv_row("/x", "POST"), csv_row("/y", "GET"))  # fmt: skip
    after = csv_file(
        tmp_path / "b.csv", csv_row("/x", "GET", average=400.0), csv_row("/x", "POST"), csv_row("/y", "get"),
    )  # fmt: skip
    found = {row: one["average"] for row, one in verdicts(compare_paths(before, after)).items()}
    assert found == {"GET / /x": "worse", "POST / /x": "same", "/y": "same"}


def test_the_scenario_tells_requests_of_one_name_apart(tmp_path):
    sample = steady()(rng())
    records = [*requests(sample, scenario="a"), *requests(sample, scenario="b")]
    path = write_log(tmp_path / "run.jsonl", records)
    assert [row.label for row in compare_paths(path, path).rows] == ["a / predict", "b / predict"]


def test_what_a_log_calls_post_predict_has_a_type_and_a_name_in_a_csv(tmp_path):
    log = write_log(
        tmp_path / "run.jsonl", requests(steady()(rng()), name="POST /v1/models/x:predict")
    )
    csv = csv_file(tmp_path / "x_stats.csv", csv_row("/v1/models/x:predict", "POST"))
    for pair in ((log, csv), (csv, log)):
        found = compare_paths(*pair)
        assert [row.label for row in found.rows] == ["POST /v1/models/x:predict"]
        assert found.rows[0].type == "POST"
        (remark,) = found.remarks
        assert remark.startswith("a CSV has no single requests: ")


def test_folders_are_compared_file_by_file(tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
        csv_file(folder / "alpha_stats.csv", csv_row(average=400.0 if folder == after else 200.0))
        csv_file(folder / "beta_stats.csv", csv_row())
        write_log(folder / "gamma.jsonl", requests(steady()(rng())))
        (folder / "alpha_stats_history.csv").write_text("Timestamp\n")
        (folder / "truth.jsonl").write_text('{"job_id": "1"}\n')
    csv_file(before / "gone_stats.csv", csv_row())
    csv_file(after / "new_stats.csv", csv_row())
    found = compare_paths(before, after)
    assert [(row.file, row.label) for row in found.rows] == [
        ("alpha", "/predict"), ("beta", "/predict"), ("gamma", "predict"),
    ]  # fmt: skip
    assert by_metric(found.rows[0])["average"].verdict == "worse"
    assert found.only_in_baseline == ("gone_stats.csv",)
    assert found.only_in_candidate == ("new_stats.csv",)


def test_of_a_log_and_a_csv_of_one_name_the_log_is_taken_if_both_sides_have_it(tmp_path):
    sample = requests(steady()(rng()))
    for folder, has_log in (("a", True), ("b", True), ("c", False)):
        (tmp_path / folder).mkdir()
        csv_file(tmp_path / folder / "run_stats.csv", csv_row("predict"))
        if has_log:
            write_log(tmp_path / folder / "run.jsonl", sample)
    logs = compare_paths(tmp_path / "a", tmp_path / "b").rows[0]
    assert by_metric(logs)["average"].low is not None
    csvs = compare_paths(tmp_path / "a", tmp_path / "c").rows[0]
    assert by_metric(csvs)["average"].baseline == pytest.approx(0.2137)


def test_a_folder_gives_the_file_that_is_called_as_the_other_or_as_its_run(tmp_path):
    folder = tmp_path / "baselines"
    folder.mkdir()
    sample = requests(steady()(rng()))
    write_log(folder / "burst.jsonl", sample)
    write_log(folder / "other.jsonl", sample)
    newest = write_log(tmp_path / "run.jsonl", sample, run_header(name="burst"))
    assert compare_paths(folder, newest).exit_code == 0
    assert compare_paths(newest, folder).exit_code == 0
    assert file_of(folder, "run", "burst") == folder / "burst.jsonl"
    with pytest.raises(ConfigError, match=r"no file run\.jsonl or run_stats\.csv; name the file"):
        file_of(folder, "run")


def test_a_baseline_can_be_read_before_the_run_that_is_held_against_it(tmp_path):
    """A run moves the log aside that stands in its place, which may be the baseline."""
    path = write_log(tmp_path / "run.jsonl", requests(steady()(rng())))
    baseline = read_side(path)
    shutil.move(path, tmp_path / "run-2026.jsonl")
    after = write_log(path, requests(steady()(rng(), 2.0)))
    assert compare_sides(baseline, read_side(after)).exit_code == 1


def test_progress_is_told_for_each_log(tmp_path):
    path = write_log(tmp_path / "run.jsonl", requests(steady()(rng())))
    seen = []

    class Watching:
        def __init__(self, watched):
            self.watched = watched

        def __enter__(self):
            return lambda done, total: seen.append((self.watched, done, total))

        def __exit__(self, *_):
            seen.append("done")

    compare_paths(path, path, watch=Watching)
    size = path.stat().st_size
    assert seen == [(path, size, size), "done"] * 2


# -- what cannot be compared ----------------------------------------------------------


def test_a_log_without_requests_is_named(tmp_path):
    path = write_log(tmp_path / "run.jsonl", [])
    with pytest.raises(LogError, match=r"nothing to compare in .*run\.jsonl: it holds no request"):
        read_side(path)


def test_folders_without_files_or_without_a_common_one_are_named(tmp_path):
    for folder, name in (("a", "x_stats.csv"), ("b", "y_stats.csv"), ("c", "notes.txt")):
        (tmp_path / folder).mkdir()
        csv_file(tmp_path / folder / name, csv_row())
    a, b, c = (tmp_path / folder for folder in "abc")
    with pytest.raises(ConfigError, match=r"have no file of the same name"):
        compare_paths(a, b)
    with pytest.raises(ConfigError, match=rf"the folder {c} has nothing to compare"):
        compare_paths(a, c)


def test_the_json_types_of_a_comparison_hold_no_infinity(tmp_path):
    due = np.linspace(0.0, 59.0, 600).tolist()
    fine = write_log(tmp_path / "a.jsonl", jobs([(at, 2.0) for at in due]))
    lost = write_log(tmp_path / "b.jsonl", jobs([(at, None) for at in due]))
    content = json.loads(json.dumps(to_dict(compare_paths(fine, lost)), allow_nan=False))
    change = content["rows"][0]["changes"][1]
    assert (change["metric"], change["candidate"], change["change"]) == ("median", "never", "never")
