"""Runs from the command line: what they leave behind, how they end, and what they never tell."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asyncload import __version__
from asyncload.errors import ConfigError, TargetError, own_error
from asyncload.records.log import LogReader
from asyncload.records.record import Job, Request, RunHeader, SummaryRecord
from tests.cli.command_line import CONFIG, ROOT

pytestmark = pytest.mark.slow

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEBYaDExampleSessionToken",
    "SERVICE_TOKEN": "tok-5f2b8c1e9a7d",
    "SERVICE_PASSWORD": "hunter2-s3cr3t",
}


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)


def outcomes(log):
    """What became of the requests in a log that was closed in order."""
    records = list(LogReader(log))
    assert isinstance(records[-1], SummaryRecord)
    return [one.outcome for one in records if isinstance(one, Request)]


@pytest.fixture
def calling(on_stack):
    """A shell in which the config only calls the stack, and has no jobs to wait for."""
    (on_stack.folder / "callers.py").write_text(
        "from asyncload import User, task\n"
        "class Caller(User):\n"
        "    @task()\n"
        "    async def call(self):\n"
        "        await self.aws.client('sqs').get_queue_url(QueueName='ImageRequestQueue')\n"
    )
    on_stack.config.write_text(CONFIG.replace("model_runner", "callers:Caller"))
    return on_stack


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


# -- what a run leaves --------------------------------------------------------------


def test_a_run_writes_its_log_and_job_files_and_a_second_run_moves_them_aside(asyncload):
    folder = asyncload.folder / "logs"
    for _ in range(2):
        ended = asyncload.run("aws.endpoint_url=local", "scenarios.0.load.duration=0.5s")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "2 submitted = 2 succeeded" in ended.stdout
    records = list(LogReader(folder / "run.jsonl"))
    assert isinstance(records[0], RunHeader)
    assert isinstance(records[-1], SummaryRecord)
    assert sum(isinstance(one, Job) for one in records) == 2
    names = sorted(path.name for path in folder.iterdir())
    stamp = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ"
    assert [re.sub(stamp, "STAMP", name) for name in names] == [
        "job_status-STAMP.json", "job_status.json",
        "job_summary-STAMP.json", "job_summary.json",
        "run-STAMP.jsonl", "run.jsonl",
    ]  # fmt: skip
    stamps = {found[0] for name in names if (found := re.search(stamp, name))}
    assert len(stamps) == 1, "an older run's files are under one name"


def test_the_header_says_what_was_overridden(calling):
    ended = calling("run", "test.yaml", "--quiet", "--set=scenarios.0.load.duration=0.3s",
                     "--set=seed=11", "--log", "elsewhere/x.jsonl")  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    header = next(iter(LogReader(calling.folder / "elsewhere" / "x.jsonl")))
    assert (header.seed, header.config["seed"]) == (11, 11)
    assert header.config["log"] == "elsewhere/x.jsonl"
    assert header.config["scenarios"][0]["load"]["duration"] == 0.3


def test_a_threshold_that_does_not_hold_is_exit_code_1(calling):
    ended = calling.run(
        "scenarios.0.load.duration=0.5s",
        "thresholds=[request.error_rate < 1%, request.latency.min < 0.001ms]",
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "✗" in ended.stdout
    assert "✓" in ended.stdout


# -- two runs at once ---------------------------------------------------------------


def test_a_log_that_another_run_writes_is_refused_and_the_other_run_goes_on(calling):
    log = calling.folder / "logs" / "run.jsonl"
    with calling.start(
        "run", "test.yaml", "--quiet", "--set=scenarios.0.load.duration=4s"
    ) as first:
        wait_for(lambda: lines(log) > 2)
        second = calling.run()
        assert second.sentence == (
            "log: logs/run.jsonl is being written by another run; choose another place with --log"
        )
        assert (second.returncode, second.stdout) == (2, "")
        _, err = first.communicate(timeout=30)
    assert (first.returncode, err) == (0, "")
    assert outcomes(log) == ["ok"] * 16


# -- a disk that fills up -----------------------------------------------------------


def test_a_disk_that_fills_up_ends_the_run_in_order(calling):
    """A limit on the size of files stands for the disk."""
    code = (
        "import resource, signal, sys\n"
        "sys.dont_write_bytecode = True\n"  # the limit would cut byte code, too
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from asyncload.cli import main\n"
        "main(prog_name='asyncload')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "run", "test.yaml", "--quiet",
         "--set=scenarios.0.load.duration=60s", "--set=scenarios.0.load.shape.level=20"],
        cwd=calling.folder, env=calling.environment, capture_output=True, text=True, timeout=50,
    )  # fmt: skip
    assert ended.returncode == 3
    assert "Traceback" not in ended.stderr
    first, *others = ended.stderr.splitlines()
    assert first == (
        "asyncload: cannot write the log logs/run.jsonl: File too large; "
        "free some space or choose another place with --log"
    )
    assert re.fullmatch(
        r"asyncload: \d+ records are not in logs/run.jsonl; graphs of it will lack them", others[-1]
    )
    assert "sqs.GetQueueUrl" in ended.stdout, "there is a table all the same"
    log = calling.folder / "logs" / "run.jsonl"
    assert log.stat().st_size == 10_000
    reader = LogReader(log)
    assert isinstance(next(iter(reader)), RunHeader)


def test_a_disk_that_is_full_from_the_start_ends_the_run_at_once(calling):
    before = time.monotonic()
    ended = calling("run", "test.yaml", "--quiet", "--log", "/dev/full",
                     "--set=scenarios.0.load.duration=60s")  # fmt: skip
    assert ended.returncode == 3
    assert ended.stderr.startswith(
        "asyncload: cannot write the log /dev/full: No space left on device; free some space"
    )
    assert "Traceback" not in ended.stderr
    assert time.monotonic() - before < 40


def test_a_place_that_only_the_file_system_refuses_ends_the_run_before_the_load(calling):
    ended = calling("run", "test.yaml", "--quiet", "--log", "/proc/nowhere/run.jsonl")
    assert ended.sentence == (
        "log: cannot write /proc/nowhere/run.jsonl: No such file or directory; "
        "choose another place with --log"
    )
    assert (ended.returncode, ended.stdout) == (2, "")


REFUSED = """
probe: false
scenarios:
  - load: {shape: {kind: constant, level: 10}, duration: 1s}
    user: {kind: http, base_url: "http://127.0.0.1:9", requests: [{path: /}]}
"""


def test_a_run_in_which_nothing_went_well_never_passes(asyncload):
    asyncload.config.write_text(REFUSED)
    ended = asyncload.run()
    assert ended.returncode == 1
    assert "no thresholds were set; 100 % of requests failed" in ended.stdout
    assert asyncload.run("thresholds=[request.error_rate <= 100%]").returncode == 1


# -- stopping -----------------------------------------------------------------------


def test_ctrl_c_ends_the_load_drains_and_reports(calling):
    log = calling.folder / "logs" / "run.jsonl"
    with calling.start("run", "test.yaml", "--quiet", "--set=scenarios.0.load.duration=60s") as run:
        wait_for(lambda: lines(log) > 5)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert err == "stopping: waiting for open requests; Ctrl-C again to stop now\n"
    assert "sqs.GetQueueUrl" in out
    assert set(outcomes(log)) == {"ok"}


@pytest.mark.parametrize("gap", [0.01, 0.05, 0.15])
def test_ctrl_c_once_too_often_still_gets_the_report(calling, gap):
    log = calling.folder / "logs" / "run.jsonl"
    with calling.start("run", "test.yaml", "--quiet", "--set=scenarios.0.load.duration=60s") as run:
        wait_for(lambda: lines(log) > 5)
        for _ in range(6):
            run.send_signal(signal.SIGINT)
            time.sleep(gap)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    assert "sqs.GetQueueUrl" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_report_that_cannot_be_written_is_no_failed_threshold(calling):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "asyncload", "run", "test.yaml"],
            cwd=calling.folder, env=calling.environment, stdout=full, stderr=subprocess.PIPE,
            text=True, timeout=60,
        )  # fmt: skip
    assert done.stderr == "asyncload: the output cannot be written: No space left on device\n"
    assert done.returncode == 3
    assert outcomes(calling.folder / "logs" / "run.jsonl")


def test_ctrl_c_before_the_load_says_that_nothing_was_sent(asyncload, fake_aws):
    service = fake_aws(200, "{}")
    service.status = -1  # it never answers
    with asyncload.start("run", "test.yaml", f"--set=aws.endpoint_url={service.url}",
                         AWS_REGION="us-west-2", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
                         ) as run:  # fmt: skip
        wait_for(lambda: service.seen)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert err == "asyncload: stopped before the load began; nothing was sent\n"
    assert re.fullmatch(r"( +0:00 setup  .*\n)*", out), out
    assert not (asyncload.folder / "logs" / "run.jsonl").exists()


def test_a_reader_who_goes_away_does_not_end_the_run(calling):
    log = calling.folder / "logs" / "run.jsonl"
    with calling.start("run", "test.yaml", "--set=scenarios.0.load.duration=6s") as run:
        run.stdout.close()
        run.stdout = None
        _, err = run.communicate(timeout=40)
    assert (run.returncode, err) == (0, "")
    assert outcomes(log) == ["ok"] * 24


# -- secrets ------------------------------------------------------------------------

CALLER = """
from asyncload import User, task
import msgspec

class Options(msgspec.Struct):
    api_token: str
    headers: dict[str, str]
    base_url: str
    note: str

class Caller(User):
    Options = Options

    @task()
    async def call(self):
        options = self.options
        assert options.api_token and options.headers["Authorization"]
        raise RuntimeError(
            f"401 from {options.base_url} for Authorization: {options.headers['Authorization']} "
            f"with {{'token': '{options.api_token}'}} and password={options.api_token}"
        )
"""


def test_no_secret_is_in_the_log_the_job_files_or_the_output(asyncload):
    asyncload.config.write_text(f"""{
        CONFIG.replace(
            "kind: model_runner",
            '''kind: model_runner,
      model_parameters: {api_key: "${SERVICE_TOKEN}", hint: "x-${SERVICE_PASSWORD}"}''',
        )
    }
  - name: calls
    load: {{shape: {{kind: constant, level: 5}}, duration: 1s}}
    user:
      kind: secretive:Caller
      api_token: ${{SERVICE_TOKEN}}
      headers: {{Authorization: "Bearer ${{SERVICE_TOKEN}}"}}
      base_url: http://me:${{SERVICE_PASSWORD}}@host/path
      note: the door opens with ${{SERVICE_PASSWORD}}
""")
    (asyncload.folder / "secretive.py").write_text(CALLER)
    ended = asyncload.run("aws.endpoint_url=local", **SECRETS)
    assert ended.returncode == 0, ended.stderr
    assert "RuntimeError: 401 from http://host/path" in ended.stdout
    written = {path.name: path.read_text() for path in (asyncload.folder / "logs").iterdir()}
    assert set(written) == {"run.jsonl", "job_status.json", "job_summary.json"}
    header = json.loads(written["run.jsonl"].splitlines()[0])
    jobs, calls = header["config"]["scenarios"]
    assert jobs["user"]["model_parameters"] == {"api_key": "***", "hint": "x-***"}
    assert calls["user"]["note"] == "the door opens with ***"
    shown = asyncload("summary", "logs/run.jsonl", "--json", **SECRETS)
    again = asyncload("check", "test.yaml", **SECRETS)
    assert again.returncode == 0, again.stderr
    for text in (
        ended.stdout, ended.stderr, shown.stdout, shown.stderr, again.stdout, again.stderr,
        *written.values(),
    ):  # fmt: skip
        for name, secret in SECRETS.items():
            assert secret not in text, name


def test_no_secret_is_in_what_is_said_of_a_mistake(asyncload):
    for override in (
        "scenarios.0.user.tile_size=${SERVICE_TOKEN}",
        "scenarios.0.user.images=${SERVICE_PASSWORD}",
        "seed=${SERVICE_TOKEN}",
        "scenarios.0.user.kind=no_${SERVICE_PASSWORD}:X",
        "scenarios.0.load.shape=no_${SERVICE_PASSWORD}:f",
        "thresholds=['job.${SERVICE_TOKEN} < 1']",
        "scenarios.0.user.wait=${SERVICE_TOKEN}",
    ):
        ended = asyncload("check", "test.yaml", f"--set={override}", **SECRETS)
        assert ended.returncode == 2
        assert "***" in ended.sentence
        for name, secret in SECRETS.items():
            assert secret not in ended.stderr + ended.stdout, (override, name)


# -- logs again ---------------------------------------------------------------------


@pytest.fixture
def old_log(asyncload):
    """A log of two requests, of a run with an odd name, with a torn last line."""
    header = {
        "type": "run", "schema": 1, "run_id": "r", "name": "[bold]x[/]", "seed": 0, "config": {},
        "started_at": "2026-03-01T00:00:00Z", "host": {}, "versions": {},
    }  # fmt: skip
    request = {
        "type": "request", "t": 1, "scenario": "[/]", "user": 0, "name": "[red]n", "due": 0,
        "start": 0, "end": 0.5, "outcome": "failed", "error": "[/] no",
    }  # fmt: skip
    path = asyncload.folder / "[old] log.jsonl"
    rows = [header, request, {**request, "outcome": "ok", "error": None}]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"type":"requ')
    return path


def test_the_summary_of_an_old_log_is_shown_again(asyncload, old_log):
    ended = asyncload("summary", old_log.name)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "[red]n" in ended.stdout
    assert "[/] no" in ended.stdout
    assert "left out 1 line that could not be read" in ended.stdout


def test_the_summary_as_json_is_json_and_nothing_else(asyncload, old_log):
    ended = asyncload("summary", old_log.name, "--json")
    assert ended.returncode == 0
    assert json.loads(ended.stdout)["requests"]["count"] == 2
    assert ended.stderr == "asyncload: left out 1 line that could not be read\n"


def test_graphs_of_an_old_log_are_named_one_a_line(asyncload, old_log):
    ended = asyncload("plot", old_log.name, "-o", "[my] plots")
    assert (ended.returncode, ended.stderr) == (0, "")
    names = ended.stdout.splitlines()
    assert names
    assert all((asyncload.folder / name).is_file() for name in names)
    assert all(name.startswith("[my] plots/") for name in names)


def test_a_summary_of_another_form_does_not_hide_the_log(asyncload, old_log):
    with old_log.open("a") as file:
        file.write('\n{"type":"summary","t":1,"summary":{"thresholds":[{"other": 1}]}}\n')
    ended = asyncload("summary", old_log.name)
    assert (ended.returncode, ended.stderr) == (0, "")


# -- check --------------------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_plan_of_the_shipped_config_fits_the_terminal_and_is_right(asyncload, width):
    ended = asyncload("check", ROOT / "configs" / "burst.yaml", COLUMNS=str(width))
    assert (ended.returncode, ended.stderr) == (0, "")
    shown = [line.rstrip() for line in ended.stdout.splitlines()]
    assert max(map(len, shown)) <= width
    facts = dict(
        re.split(r"\s{2,}", line, maxsplit=1) for line in shown if re.match(r"\w+\s{2,}", line)
    )
    assert facts["against"] == "the embedded stack"
    assert facts["load"] == facts["end"] == "1:00"
    assert facts["peak"] == "20 arrivals/s"
    # 60 s at 2/s, and three bursts of 18/s · std (2 s) · erf(5 √π) ≈ 36 arrivals.
    assert facts["arrivals"] == f"{60 * 2 + 3 * 36} expected, spaced at random (poisson)"
    graph = shown[next(n for n, line in enumerate(shown) if line.strip() == "arrivals/s") :]
    assert graph[1].startswith("    20 ┤")
    assert len(re.findall(r"[▁-█]+", graph[2])) == 3, "three bursts"
    assert graph[6].startswith("     0 └──")
    assert graph[7].split() == ["0:00", "1:00"]
    assert len(graph[6]) > width * 0.75
    assert "job.latency.p95 < 20s" in ended.stdout


def test_odd_names_are_shown_as_they_are(asyncload):
    ended = asyncload.check(
        CONFIG + "name: '[bold]x[/] [/]'\nthresholds: ['request[[/]].rate > 0']\n",
        "scenarios.0.name='[/] :smile:'",
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    for text in ("[bold]x[/] [/]", "[/] :smile:", "request[[/]].rate > 0"):
        assert text in ended.stdout


def test_a_burst_of_a_second_in_hours_is_still_seen(asyncload):
    shape = "{kind: periodic_burst, period: 30m, min: 0.01, peak: 50, std: 1s}"
    ended = asyncload.check(
        CONFIG, f"scenarios.0.load.shape={shape}", "scenarios.0.load.duration=2h"
    )
    top = next(line for line in ended.stdout.splitlines() if "┤" in line)
    assert top.count("█") == 4


def test_version_and_help_are_there(asyncload):
    ended = asyncload("--version")
    assert ended.stdout == f"asyncload, version {__version__}\n"
    for arguments in (["--help"], ["-h"], ["run", "--help"]):
        ended = asyncload(*arguments)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith("Usage: asyncload")


def test_requests_that_fail_are_no_error_of_asyncload(on_stack):
    (on_stack.folder / "failing_users.py").write_text(
        "from asyncload import User, task\n"
        "class Caller(User):\n"
        "    @task()\n"
        "    async def call(self):\n"
        "        await self.aws.client('sqs').get_queue_url(QueueName='Nowhere')\n"
    )
    ended = on_stack.run("scenarios.0.user=failing_users:Caller")
    assert (ended.returncode, ended.stderr) == (1, "")
    records = list(LogReader(on_stack.folder / "logs" / "run.jsonl"))
    requests = [one for one in records if isinstance(one, Request)]
    assert [one.outcome for one in requests] == ["failed"] * 4
    assert requests[0].name == "sqs.GetQueueUrl"
    assert not (on_stack.folder / "logs" / "job_status.json").exists()


# -- errors out of task groups ------------------------------------------------------


def test_an_error_of_asyncload_comes_out_of_nested_task_groups_unless_there_is_another():
    one, two, bug = TargetError("one"), ConfigError("two"), ValueError("bug")
    assert own_error(ExceptionGroup("", [one])) is one
    assert own_error(ExceptionGroup("", [ExceptionGroup("", [one]), two])) is one
    assert own_error(ExceptionGroup("", [one, bug])) is None
    assert own_error(ExceptionGroup("", [one, ExceptionGroup("", [bug])])) is None
    assert own_error(BaseExceptionGroup("", [one, KeyboardInterrupt()])) is None
