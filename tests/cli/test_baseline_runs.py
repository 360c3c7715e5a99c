"""``asyncload run --baseline``: a run and its comparison in one go."""

from __future__ import annotations

import re
import signal
import time

import pytest

from asyncload.commands.runs.baseline import exit_code
from asyncload.compare.comparison import Comparison
from tests.cli.command_line import CONFIG
from tests.cli.services import BROKEN, OK, write_test
from tests.compare.two_runs import csv_file, csv_row

pytestmark = pytest.mark.slow


@pytest.fixture
def service(fake_aws):
    return fake_aws(*OK)


@pytest.fixture
def langid(asyncload, service):
    """A shell with a config of a service that works."""
    write_test(asyncload.folder / "langid.yaml", service.url, "name: family")
    return asyncload


def run(shell, *arguments, **environment):
    return shell("run", "langid.yaml", "--quiet", *arguments, **environment)


# -- one config -----------------------------------------------------------------------


def test_the_run_before_is_the_baseline_of_the_next_one(langid):
    assert run(langid).returncode == 0
    ended = run(langid, "--baseline", "logs")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Baseline   logs/run.jsonl, as it was before this run\n" in ended.stdout
    assert "Candidate  logs/run.jsonl\n" in ended.stdout
    assert "nothing is worse" in ended.stdout


def test_a_run_that_is_worse_than_the_baseline_is_exit_code_1(langid, fake_aws):
    csv_file(langid.folder / "before_stats.csv", csv_row())
    broken = fake_aws(*BROKEN).url
    ended = run(
        langid, "--baseline=before_stats.csv", f"--set=scenarios.web.user.base_url={broken}"
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "no thresholds were set" in ended.stdout
    assert "✗ failures" in ended.stdout


def test_thresholds_and_names_to_ignore_are_those_of_compare(langid, fake_aws):
    csv_file(langid.folder / "before_stats.csv", csv_row(count=1000, failed=600))
    broken = (f"--set=scenarios.web.user.base_url={fake_aws(*BROKEN).url}", "--baseline=before_stats.csv")  # fmt: skip
    assert "✗ failures" in run(langid, *broken).stdout
    own = run(langid, *broken, "--threshold", "failures=60% for POST /predict", COLUMNS="200")
    assert "✗ failures" not in own.stdout
    assert "; failures for POST /predict 60 pp; times by more than 1.00 ms\n" in own.stdout
    ended = run(langid, "--baseline=before_stats.csv", "--ignore=*predict")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "Ignored  POST /predict" in ended.stdout


def test_several_baselines_are_pooled(langid):
    for name, failed in (("a", 0), ("b", 3000)):
        csv_file(langid.folder / f"{name}_stats.csv", csv_row(count=3000, failed=failed))
    ended = run(langid, "--baseline=a_stats.csv", "--baseline=b_stats.csv")
    assert ended.stderr == ""
    assert "Baseline   a_stats.csv, b_stats.csv\n" in ended.stdout
    assert re.search(r"failures +50.0 % +→ 0 %", ended.stdout)


@pytest.mark.parametrize("option", ["--threshold=p95=20%", "--floor=1ms", "--ignore=x"])
def test_limits_of_a_comparison_want_a_baseline(langid, service, option):
    ended = run(langid, option)
    assert (ended.returncode, service.seen) == (2, [])
    assert (
        "--threshold, --floor and --ignore are of the comparison with a --baseline" in ended.stderr
    )


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("langid", "family", "run"), "langid"),
        (("family", "run"), "family"),
        (("run",), "run"),
    ],
    ids=["as the config", "as the run", "as its log"],
)
def test_of_a_folder_the_file_is_taken_that_is_called_as_the_test(langid, names, chosen):
    (langid.folder / "results").mkdir()
    for name in (*names, "other"):
        csv_file(langid.folder / "results" / f"{name}_stats.csv", csv_row())
    ended = run(langid, "--baseline", "results")
    assert ended.stderr == ""
    assert f"Baseline   results/{chosen}_stats.csv\n" in ended.stdout


def test_a_gate_does_not_open_when_nothing_could_be_told(langid):
    csv_file(langid.folder / "before_stats.csv", csv_row(name="/other"))
    ended = run(langid, "--baseline", "before_stats.csv")
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "nothing could be told" in ended.stdout


def test_an_interrupted_run_is_not_compared(langid, service):
    csv_file(langid.folder / "before_stats.csv", csv_row())
    with langid.start(
        "run", "langid.yaml", "--quiet", "--baseline", "before_stats.csv",
        "--set=scenarios.web.load.duration=20s",
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 30
        while len(service.seen) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "asyncload: interrupted, and not compared with the baseline\n" in err
    assert "Baseline" not in out


def test_what_the_run_itself_came_to_is_told_first():
    def compared(code):
        class Known(Comparison, frozen=True):
            exit_code = code

        return Known(baseline="", candidate="", thresholds={}, rows=())

    for run_code in (2, 3, 4, 130):
        for code in (0, 1, 3):
            assert exit_code(run_code, compared(code)) == run_code
        assert exit_code(run_code, None) == run_code
    assert [exit_code(0, compared(code)) for code in (0, 1, 3)] == [0, 1, 3]
    assert [exit_code(1, compared(code)) for code in (0, 1, 3)] == [1, 1, 1]
    assert (exit_code(0, None), exit_code(1, None)) == (3, 1)


MISTAKES = {
    "no such file": (("none.jsonl",), "there is no log none.jsonl; "),
    "no such CSV": (("none_stats.csv",), "none_stats.csv"),
    "no log": (("test.yaml",), "test.yaml"),
    "a folder without it": (
        ("empty",),
        (
            "the folder empty has nothing to compare; put NAME_stats.csv files or logs "
            "(NAME.jsonl) into it"
        ),
    ),
    "a folder with others": (
        ("others",),
        "the folder others has no file langid.jsonl or langid_stats.csv or family.jsonl or ",
    ),
    "a run without a log": (
        ("ok_stats.csv", '--set=log=""'),
        (
            "langid.yaml: log is '', and a run is compared with a baseline by its log; "
            "name a file with --log"
        ),
    ),
    "a log that is kept nowhere": (
        ("ok_stats.csv", "--log=/dev/null"),
        "langid.yaml: log is '/dev/null', and a run is compared with a baseline by its log; ",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_anything_is_sent(langid, service, mistake):
    (langid.folder / "empty").mkdir()
    (langid.folder / "others").mkdir()
    csv_file(langid.folder / "others" / "enwiki_stats.csv", csv_row())
    csv_file(langid.folder / "ok_stats.csv", csv_row())
    arguments, says = MISTAKES[mistake]
    ended = run(langid, "--baseline", *arguments)
    assert says in ended.sentence
    assert (ended.returncode, ended.stdout, service.seen) == (2, "", [])
    assert not (langid.folder / "logs").exists()


# -- a folder -------------------------------------------------------------------------


@pytest.fixture
def suite(asyncload, service, fake_aws):
    """Three tests of a service that works and one of a broken one, and a folder of baselines."""
    folder = asyncload.folder / "suite"
    for name in ("langid", "new", "sub/enwiki"):
        write_test(folder / f"{name}.yaml", service.url)
    write_test(folder / "readability.yaml", fake_aws(*BROKEN).url)
    (asyncload.folder / "results").mkdir()
    for name in ("langid", "readability", "enwiki"):
        csv_file(asyncload.folder / "results" / f"{name}_stats.csv", csv_row())
    return asyncload


def test_each_test_of_a_suite_is_compared_with_the_file_of_its_name(suite):
    ended = suite("run", "suite", "--quiet", "--baseline", "results", COLUMNS="120")
    assert (ended.returncode, ended.stderr) == (1, "")
    lines = ended.stdout[ended.stdout.index("\nSuite  ") :].splitlines()
    cells = {row[0]: row for line in lines if len(row := re.split(r"\s{2,}", line.strip())) > 5}
    assert cells["langid"][7:9] == ["not worse", "valid"]
    assert cells["sub-enwiki"][7:9] == ["not worse", "valid"]
    assert re.fullmatch(r"\d worse", cells["readability"][7])
    assert cells["readability"][8] == "failed"
    assert cells["new"][7:9] == ["–", "valid"]
    assert ended.stdout.rstrip().endswith("3 of 4 tests passed; failed: readability")
    assert "readability: POST /predict" in ended.stdout
    told = ended.stdout[ended.stdout.index("Only in the candidate") :]
    assert told.splitlines()[1].strip() == "new"


def test_a_suite_takes_thresholds_and_several_folders_of_baselines(suite):
    (suite.folder / "more").mkdir()
    for folder in ("results", "more"):
        path = suite.folder / folder / "readability_stats.csv"
        csv_file(path, csv_row(count=1000, failed=600))
    arguments = ("run", "suite", "--quiet", "--baseline", "results", "--baseline", "more")
    ended = suite(*arguments, COLUMNS="120")
    assert ended.returncode == 1
    assert "Baseline   results, more\n" in ended.stdout
    assert re.search(r"readability .* 1 worse +failed", ended.stdout)
    ended = suite(*arguments, "--threshold=failures=60%", COLUMNS="120")
    assert re.search(r"readability .* not worse +failed", ended.stdout)


def test_a_folder_of_logs_is_the_baseline_of_a_suite(suite):
    (suite.folder / "suite" / "readability.yaml").unlink()
    assert suite("run", "suite", "--quiet", "--log", "before").returncode == 0
    ended = suite(
        "run", "suite", "--quiet", "--log", "after", "--baseline", "before",
        "--set=scenarios.web.load.duration=0.7s", COLUMNS="120",
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "3 tests passed" in ended.stdout
    for name in ("langid", "new", "sub-enwiki"):
        assert f"\n{name}: the load of web was not the same in both runs; " in ended.stdout


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        ("results/langid_stats.csv", "results/langid_stats.csv is a file, but suite is a folder"),
        ("nowhere", "--baseline nowhere is not there, but suite is a folder of tests; "),
        ("suite", "the folder suite has nothing to compare; "),
    ],
    ids=["a file", "nothing", "no baseline at all"],
)
def test_a_suite_wants_a_folder_of_baselines(suite, service, baseline, says):
    ended = suite("run", "suite", "--baseline", baseline)
    assert says in ended.sentence
    assert (ended.returncode, ended.stdout, service.seen) == (2, "", [])


def test_a_baseline_that_cannot_be_read_is_told_before_any_test_is_run(suite, service):
    (suite.folder / "results" / "readability_stats.csv").write_text("x")
    ended = suite("run", "suite", "--baseline", "results")
    assert "results/readability_stats.csv" in ended.sentence
    assert (ended.returncode, ended.stdout, service.seen) == (2, "", [])


def test_a_run_without_a_baseline_says_nothing_of_one(langid):
    ended = run(langid)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Baseline" not in ended.stdout
    assert langid.check(CONFIG).returncode == 0
