"""``asyncload run FOLDER``: which tests it runs, where their results go, and what it ends with."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import time

import pytest

from asyncload.records.log import LogReader
from asyncload.records.record import RunHeader
from tests.cli.command_line import CONFIG, ROOT
from tests.cli.services import BROKEN, OK, write_test

pytestmark = pytest.mark.slow

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-west-2",
}
NO_FAILURES = "thresholds: [request.error_rate < 1%]"


def table(stdout):
    """The cells of the table at the end, by test; the verdict is the last but one."""
    lines = stdout[stdout.index("\nSuite  ") :].splitlines()[3:]
    rows = [re.split(r"\s{2,}", line.strip()) for line in lines[: lines.index("")]]
    return {row[0]: row[1:] for row in rows}


def verdicts(stdout):
    return {name: cells[-2] for name, cells in table(stdout).items()}


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def service(fake_aws):
    return fake_aws(*OK)


@pytest.fixture
def suite(asyncload, service):
    """A shell with a folder of three tests: two of a service that works, one of a broken one."""
    write_test(asyncload.folder / "suite" / "langid.yaml", service.url, NO_FAILURES)
    write_test(asyncload.folder / "suite" / "readability.yml", service.url)
    write_test(asyncload.folder / "suite" / "sub" / "enwiki.yaml", service.url)
    return asyncload


# -- which tests ----------------------------------------------------------------------


def test_every_config_of_a_folder_is_run_in_order_and_nothing_else_is_touched(suite, service):
    folder = suite.folder / "suite"
    (folder / "data.csv").write_text("not: [a config")
    (folder / "users.py").write_text("raise RuntimeError('imported')")
    (folder / ".hidden.yaml").write_text("not: [a config")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.yaml").write_text("not: [a config")
    ended = suite("run", "suite", "--quiet", COLUMNS="120")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert table(ended.stdout).keys() == {"langid", "readability", "sub-enwiki"}
    for name, cells in table(ended.stdout).items():
        assert cells[:3] == ["60", "0", "200/s"], name
        assert cells[5:7] == ["1 of 1" if name == "langid" else "–", "valid"]
    headings = re.findall(r"^(\S+)  (\d of 3)  (\S+)$", ended.stdout, re.MULTILINE)
    assert headings == [
        ("langid", "1 of 3", "suite/langid.yaml"),
        ("readability", "2 of 3", "suite/readability.yml"),
        ("sub-enwiki", "3 of 3", "suite/sub/enwiki.yaml"),
    ]
    assert ended.stdout.rstrip().endswith("3 tests passed")
    assert len(service.seen) == 180


def test_a_sub_folder_is_run_by_its_path(suite, service):
    ended = suite("run", "suite/sub", "--quiet")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "1 test passed" in ended.stdout
    assert len(service.seen) == 60
    assert files(suite.folder / "logs") == ["run.jsonl"]


def test_what_is_set_is_set_for_all_tests(suite):
    ended = suite("run", "suite", "--quiet", "--set", "seed=11", "--set=scenarios.web.load.shape.level=40")  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for path in sorted((suite.folder / "logs").iterdir()):
        header = next(iter(LogReader(path)))
        assert isinstance(header, RunHeader)
        assert (header.seed, header.config["log"]) == (11, f"logs/{path.name}")


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_the_terminal(suite, width):
    write_test(suite.folder / "suite/sub" / f"{'long_' * 8}name.yaml", "http://127.0.0.1:1")
    ended = suite("run", "suite/sub", "--quiet", "--set=scenarios.web.load.duration=0.2s", COLUMNS=str(width))  # fmt: skip
    shown = [line.rstrip() for line in ended.stdout[ended.stdout.index("\nSuite  ") :].splitlines()]
    assert max(map(len, shown)) <= width
    for header in ("requests", "p95", "thresholds", "verdict", "time"):
        assert header in " ".join(shown)


# -- where results go -----------------------------------------------------------------


def test_tests_that_share_a_log_get_one_each_and_others_keep_their_own(suite):
    write_test(
        suite.folder / "suite" / "own.yaml",
        "http://127.0.0.1:1",
        "log: elsewhere/mine.jsonl\nprobe: false",
    )
    ended = suite("run", "suite", "--quiet", "--set=scenarios.web.load.duration=0.1s")
    assert ended.returncode == 1, ended.stderr  # nobody is there to answer own.yaml
    assert files(suite.folder / "logs") == ["langid.jsonl", "readability.jsonl", "sub-enwiki.jsonl"]
    assert files(suite.folder / "elsewhere") == ["mine.jsonl"]


def test_a_folder_for_all_logs_and_csvs_may_be_chosen_and_be_compared_as_it_is(suite):
    for folder in ("before", "after"):
        ended = suite("run", "suite", "--quiet", "--log", f"{folder}/logs", "--csv", f"{folder}/")
        assert (ended.returncode, ended.stderr) == (0, "")
    assert not (suite.folder / "logs").exists()
    kinds = ("failures.csv", "stats.csv", "stats_history.csv")
    names = ("langid", "readability", "sub-enwiki")
    assert files(suite.folder / "before") == [
        *(f"{name}_{kind}" for name in names[:1] for kind in kinds),
        *(f"logs/{name}.jsonl" for name in names),
        *(f"{name}_{kind}" for name in names[1:] for kind in kinds),
    ]
    ended = suite("compare", "before/logs", "after/logs")
    assert ended.returncode == 0, "nothing failed in either"
    assert "nothing is worse" in ended.stdout
    ended = suite("compare", "before", "after", "--threshold=rate=90%")
    assert "sub-enwiki" in ended.stdout
    assert "Only in" not in ended.stdout


def test_each_test_with_jobs_has_job_files_and_the_table_tells_of_jobs(on_stack):
    folder = on_stack.folder / "suite"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / f"{name}.yaml").write_text(CONFIG)
    ended = on_stack(
        "run", "suite", "--quiet", "--set=scenarios.jobs.load.duration=0.5s", COLUMNS="120"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for name in ("one", "two"):
        assert table(ended.stdout)[name][5] == "2"
    assert [name for name in files(on_stack.folder / "logs") if name.startswith("one.")] == [
        "one.job_status.json", "one.job_summary.json", "one.jsonl"
    ]  # fmt: skip


# -- how it ends ----------------------------------------------------------------------


def test_a_test_that_fails_does_not_keep_the_next_one_from_running(suite, fake_aws):
    write_test(suite.folder / "suite" / "a.yaml", fake_aws(*BROKEN).url, NO_FAILURES)
    ended = suite("run", "suite", "--quiet", COLUMNS="120")
    assert (ended.returncode, ended.stderr) == (1, "")
    assert verdicts(ended.stdout) == {
        "a": "failed", "langid": "valid", "readability": "valid", "sub-enwiki": "valid"
    }  # fmt: skip
    assert ended.stdout.rstrip().endswith("3 of 4 tests passed; failed: a")


def test_a_target_out_of_reach_is_worse_than_a_threshold_and_the_suite_goes_on(suite, fake_aws):
    write_test(suite.folder / "suite" / "a.yaml", fake_aws(*BROKEN).url, NO_FAILURES)
    with socket.socket() as closed:  # bound, so that nobody else takes it, but not listening
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        (suite.folder / "suite" / "b.yaml").write_text(f"{CONFIG}aws: {{endpoint_url: '{url}'}}\n")
        ended = suite("run", "suite", "--quiet", COLUMNS="120", **KEYS)
    assert ended.returncode == 4
    assert ended.sentence.startswith(f"suite/b.yaml: cannot reach {url} ")
    assert verdicts(ended.stdout) == {
        "a": "failed", "b": "no target", "langid": "valid", "readability": "valid",
        "sub-enwiki": "valid",
    }  # fmt: skip
    assert table(ended.stdout)["b"][0] == "–"


def test_a_mistake_that_only_shows_at_its_start_is_worse_than_a_run_that_was_cut_short(
    suite, service
):
    folder = suite.folder / "suite"
    write_test(folder / "a.yaml", service.url, "max_requests: 10", NO_FAILURES)
    text = (folder / "langid.yaml").read_text()
    (folder / "b.yaml").write_text(text.replace("json: {}", "file: nowhere.bin"))
    ended = suite("run", "suite", "--quiet", COLUMNS="120")
    assert ended.returncode == 2
    cut_short, mistake = ended.stderr.splitlines()
    assert "max_requests" in cut_short
    assert "nowhere.bin" in mistake
    assert verdicts(ended.stdout) == {
        "a": "invalid", "b": "error", "langid": "valid", "readability": "valid",
        "sub-enwiki": "valid",
    }  # fmt: skip
    (folder / "b.yaml").unlink()
    assert suite("run", "suite", "--quiet").returncode == 3


def test_ctrl_c_ends_the_running_test_in_order_and_skips_the_others(suite, service):
    with suite.start(
        "run", "suite", "--quiet", "--set=scenarios.web.load.duration=20s", COLUMNS="120"
    ) as process:
        deadline = time.monotonic() + 30
        while len(service.seen) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "stopping: waiting for open requests; Ctrl-C again to stop now\n"
    assert verdicts(out) == {
        "langid": "interrupted", "readability": "skipped", "sub-enwiki": "skipped"
    }  # fmt: skip
    assert int(table(out)["langid"][0]) >= 10
    assert files(suite.folder / "logs") == ["langid.jsonl"]


# -- mistakes -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["run", "check"])
def test_all_mistakes_of_all_configs_are_told_before_anything_is_sent(suite, service, command):
    folder = suite.folder / "suite"
    (folder / "a.yaml").write_text("scenarios: []")
    (folder / "b.yaml").write_text("not: [a config")
    write_test(folder / "c.yaml", service.url, "thresholds: [request.speed < 1]")
    ended = suite(command, "suite")
    assert (ended.returncode, ended.stdout) == (2, "")
    lines = ended.stderr.splitlines()
    starts = ("a.yaml: scenarios: is empty", "b.yaml, line 1", "c.yaml: threshold 'request.speed")
    for line, start in zip(lines, starts, strict=False):
        assert line.startswith(f"asyncload: suite/{start}")
    assert lines[3:] == [
        (
            "asyncload: suite: 3 mistakes in its 6 configs, and nothing was sent; "
            "mend what is named above"
        )
    ]
    assert service.seen == []
    assert not (suite.folder / "logs").exists()


MISTAKES = {
    "an empty folder": (
        lambda folder, url: (folder / "sub").mkdir(),
        (),
        "the folder other has no configs; put files that end in .yaml or .yml into it",
    ),
    "two tests of one name": (
        lambda folder, url: [write_test(folder / name, url) for name in ("x.yml", "x.yaml")],
        (),
        "other/x.yaml and other/x.yml are both called x; rename one of them",
    ),
    "two configs that write one log in the end": (
        lambda folder, url: [
            write_test(folder / "a.yaml", url, "log: logs/b.jsonl"),
            write_test(folder / "b.yaml", url),
            write_test(folder / "c.yaml", url),
        ],
        (),
        (
            "other/a.yaml and other/b.yaml would both write the log {cwd}/logs/b.jsonl; "
            "give one of them another log, or all of them a folder with --log"
        ),
    ),
    "a file for all logs": (
        lambda folder, url: write_test(folder / "a.yaml", url),
        ("--log", "test.yaml"),
        "--log test.yaml is a file, but other is a folder of tests; name a folder for their logs",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_sentence_before_anything_is_sent(asyncload, service, mistake):
    prepare, arguments, says = MISTAKES[mistake]
    folder = asyncload.folder / "other"
    folder.mkdir()
    prepare(folder, service.url)
    ended = asyncload("run", "other", *arguments)
    assert ended.sentence == says.format(cwd=asyncload.folder)
    assert (ended.returncode, ended.stdout, service.seen) == (2, "", [])


USERS = """
from asyncload import User, task
class Mine(User):
    @task()
    async def call(self):
        pass
"""


def test_modules_of_one_name_in_two_folders_are_refused_rather_than_confused(asyncload):
    for name in ("one", "two"):
        folder = asyncload.folder / "suite" / name
        folder.mkdir(parents=True)
        (folder / "mine.py").write_text(USERS)
        (folder / "test.yaml").write_text(CONFIG.replace("model_runner", "mine:Mine"))
    ended = asyncload("check", "suite")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "both the Python module 'mine'" in ended.stderr
    (asyncload.folder / "suite" / "two" / "mine.py").unlink()
    assert asyncload("check", "suite").returncode == 0, "it uses the one that there is"


# -- check, and the docs --------------------------------------------------------------


def test_the_plans_of_all_configs_are_drawn(suite, service):
    ended = suite("check", "suite")
    assert (ended.returncode, ended.stderr) == (0, "")
    for number in (1, 2, 3):
        assert f"  {number} of 3  suite/" in ended.stdout
    assert ended.stdout.count("200 arrivals/s") == 3
    assert "logs/sub-enwiki.jsonl" in ended.stdout
    assert ended.stdout.rstrip().endswith("3 configs checked")
    assert service.seen == []


def test_the_commands_of_the_docs_work(asyncload, service):
    page = (ROOT / "docs" / "suites.md").read_text()
    commands = re.findall(r"^\$ asyncload (.+)$", page, re.MULTILINE)
    assert len(commands) == 4
    write_test(asyncload.folder / "liftwing" / "langid.yaml", service.url)
    write_test(asyncload.folder / "liftwing" / "readability.yaml", service.url)
    for command in commands:
        ended = asyncload(*shlex.split(command))
        assert (ended.returncode, ended.stderr) == (0, "")
