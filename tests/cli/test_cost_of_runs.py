"""What `check` and `run` say of cost, and limits that end a run on the embedded stack."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from asyncload.records.log import LogReader
from asyncload.records.record import Note, Request
from tests.cli.command_line import CONFIG, ROOT, UNHURRIED

pytestmark = pytest.mark.slow

BUSY = CONFIG.replace("level: 4", "level: 40").replace("duration: 1s", "duration: 3s")


AS_IF_AWS = """
import sys
from asyncload.commands.runs import run
run.is_billed = lambda aws: True
from asyncload.cli import main
main(prog_name="asyncload")
"""


@pytest.fixture
def as_if_aws(on_stack):
    """Runs the config on the embedded stack, and takes it for AWS."""

    def run(*options, **environment):
        return subprocess.run(
            [sys.executable, "-c", AS_IF_AWS, "run", "test.yaml", *UNHURRIED, *options],
            cwd=on_stack.folder,
            env=on_stack.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def number(text):
    return float(text.replace(",", ""))


@pytest.mark.parametrize("width", [60, 120])
def test_check_says_what_the_shipped_config_would_cost_on_aws(asyncload, width):
    ended = asyncload("check", ROOT / "configs" / "burst.yaml", COLUMNS=str(width))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert max(len(line.rstrip()) for line in ended.stdout.splitlines()) <= width
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["jobs", "228", "iterations"] in rows
    assert ["sqs.SendMessage", "228", "0.0000912", "USD"] in rows
    assert "on AWS: here nothing is charged" in ended.stdout


def test_check_warns_of_limits_and_knows_the_prices_of_the_config(asyncload):
    ended = asyncload.check(
        CONFIG, "max_requests=3", "max_cost=0.001", "prices.sqs=1000000", "prices.as_of=2027-01-01"
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "the config's prices as of 2027-01-01" in ended.stdout
    assert "max_requests: 3 will end the load early" in ended.stdout
    assert "max_cost: 0.001 will end the load early" in ended.stdout


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("max_requests=many", "max_requests: expected a whole number, got 'many'"),
        ("max_request=5", "max_request: there is no such key; did you mean 'max_requests'?"),
    ],
)
def test_mistakes_in_prices_and_limits_name_the_key(asyncload, override, says):
    ended = asyncload.check(CONFIG, override)
    assert (ended.sentence, ended.returncode) == (f"test.yaml: {says}", 2)


def test_a_run_that_aws_bills_says_before_and_after_what_its_requests_cost(on_stack, as_if_aws):
    on_stack.config.write_text(BUSY)
    ended = as_if_aws(COLUMNS="200")
    assert (ended.returncode, ended.stderr) == (0, "")
    first, *_ = ended.stdout.splitlines()
    assert re.fullmatch(
        r"estimated: [\d.]+ to [\d.]+ USD for [\d,]+ to [\d,]+ requests to AWS, by the list "
        r"prices as of 2026-11-20",
        first,
    )
    bill = re.search(
        r"requests to AWS: ([\d.]+) USD \(estimated: ([\d.]+) to ([\d.]+) USD\) for "
        r"([\d,]+) sqs.DeleteMessageBatch, ([\d,]+) sqs.ReceiveMessage, 120 sqs.SendMessage",
        ended.stdout,
    )
    assert bill is not None, ended.stdout
    cost, low, high, deletes, receives = map(number, bill.groups())
    assert cost == pytest.approx((deletes + receives + 120) * 4e-7, rel=0.01)
    assert low <= cost <= high
    quiet = as_if_aws("--quiet", "--set=scenarios.0.load.duration=500ms")
    assert not quiet.stdout.startswith("estimated")
    assert "requests to AWS: " in quiet.stdout


def test_a_run_that_nobody_bills_says_nothing_of_cost(on_stack):
    ended = on_stack.run()
    assert ended.returncode == 0
    assert "USD" not in ended.stdout


def test_a_limit_ends_a_run_to_the_request_and_the_jobs_are_waited_for(on_stack):
    on_stack.config.write_text(BUSY)
    ended = on_stack.run("max_requests=50")
    assert ended.returncode == 3
    assert re.fullmatch(
        r"max_requests: 50 requests had been sent after 1\.\d\d s, and there the load ended, not "
        r"at 3\.00 s as planned; raise max_requests, or plan less load",
        ended.sentence,
    )
    assert ended.sentence in " ".join(ended.stdout.split())
    assert "50 submitted = 50 succeeded" in ended.stdout
    records = list(LogReader(on_stack.folder / "logs" / "run.jsonl"))
    assert sum(isinstance(one, Request) for one in records) == 50
    assert ended.sentence in [one.text for one in records if isinstance(one, Note)]


def test_batches_count_as_the_requests_they_are(on_stack):
    on_stack.config.write_text(BUSY)
    ended = on_stack.run("max_requests=5", "scenarios.0.user.batch_linger=50ms")
    assert ended.returncode == 3
    records = list(LogReader(on_stack.folder / "logs" / "run.jsonl"))
    requests = [one for one in records if isinstance(one, Request)]
    assert {one.name for one in requests} == {"sqs.SendMessageBatch"}
    assert 5 <= len(requests) <= 6, "one batch may be gathering when the fifth leaves"


def test_a_limit_on_cost_is_kept_on_the_embedded_stack_too(on_stack):
    on_stack.config.write_text(BUSY)
    ended = on_stack.run("max_cost=0.00003")
    assert ended.returncode == 3
    assert ended.sentence.startswith("max_cost: requests for 0.0000300 USD by the price list had ")
    records = list(LogReader(on_stack.folder / "logs" / "run.jsonl"))
    assert 0 < sum(isinstance(one, Request) for one in records) < 75


def test_a_limit_that_is_not_met_changes_nothing(on_stack):
    ended = on_stack.run("max_requests=4", "max_cost=5")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "4 submitted = 4 succeeded" in ended.stdout
