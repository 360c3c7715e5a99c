"""An outcome of jobs is declared once; all that tells of outcomes derives from that."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from asyncload.jobs.counters import GiveUpReason
from asyncload.records import outcomes
from asyncload.records.record import Ledger
from asyncload.stats.metric import Metric
from asyncload.stats.metrics import JobTotals

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"^    \w+: Annotated\[int, Outcome\(.*\n", re.MULTILINE)


@pytest.fixture(scope="module")
def shown():
    """What a process shows in which the made-up outcomes of the docs are declared."""
    lines = EXAMPLE.findall((ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert [line.split(":")[0].strip() for line in lines] == ["cancelled", "skipped"]
    told = subprocess.run(
        [sys.executable, "-m", "tests.records.made_up_outcomes"],
        input="".join(lines), capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_a_made_up_outcome_is_in_the_log_and_its_columns(shown):
    assert shown["records"] == ["SKIPPED", "CANCELLED"]
    assert '"submitted":2' in shown["log"]
    assert '"cancelled":1,"skipped":1,"backlog":0,"duplicates":1' in shown["log"]
    assert shown["ledger_column"] == [1]


def test_a_made_up_outcome_is_in_the_summary_and_the_rates_that_its_kind_says(shown):
    jobs = shown["summary"]
    place = list(jobs).index("backlog")
    assert list(jobs)[: place - 2] == ["submitted", *outcomes.OUTCOMES]
    assert list(jobs)[place - 2 : place] == ["cancelled", "skipped"]
    assert (jobs["cancelled"], jobs["skipped"]) == (1, 1)
    assert (jobs["success_rate"], jobs["error_rate"]) == (0.0, 0.5)
    assert (jobs["latency"]["count"], jobs["latency"]["beyond"]) == (1, 1)
    assert list(jobs["failures"]) == ["CANCELLED: no status at all before it was called off"]
    assert shown["metrics"] == [1.0, 1.0]


def test_a_made_up_outcome_is_in_the_table_and_the_live_view(shown):
    account = " + ".join(f"0 {outcomes.label(name)}" for name in outcomes.OUTCOMES)
    assert f"2 submitted = {account} + 1 cancelled + 1 skipped 1 given up" in shown["table"]
    assert "1 given up = 0 rejected by the service + 0 stuck + 1 never started" in shown["table"]
    assert "50.0 % of jobs never ended" in shown["table"]
    items = "2 submitted, 1 cancelled, 1 skipped, of them 1 never started, 1 duplicate"
    assert f"jobs        {items}" in shown["live"]
    assert "  1 processed  " in shown["plain"]
    assert "  1 cancelled  1 skipped  " in shown["plain"]


def test_a_made_up_outcome_is_in_the_job_files(shown):
    summary = shown["job_summary"]
    assert summary["total_image_sent"] == 2
    assert summary["total_image_processed"] == 1
    assert (summary["total_image_cancelled"], summary["total_image_skipped"]) == (1, 1)
    assert shown["completed"] == [True, False]


def test_a_made_up_outcome_is_in_graphs_comparisons_and_csv(shown):
    assert shown["graphs"] == [1, 1]
    assert shown["compared"] == [1]
    assert shown["csv"] == 1


def test_every_counter_of_the_ledger_is_in_the_summary_and_is_a_metric():
    assert set(outcomes.COUNTERS) == set(Ledger.__struct_fields__) - {"t"}
    assert [name for name in outcomes.COUNTERS if name not in JobTotals.__struct_fields__] == []
    assert [Metric.parse(f"job.{name}").field for name in outcomes.COUNTERS] == [*outcomes.COUNTERS]


def test_every_counter_says_what_it_is():
    said = {*outcomes.OUTCOMES, *outcomes.REASONS, *outcomes.BESIDE, "submitted", "backlog"}
    assert [name for name in outcomes.COUNTERS if name not in said] == []
    assert list(get_args(GiveUpReason)) == list(outcomes.REASONS)


def test_the_outcomes_are_those_that_the_log_has_always_had():
    statuses = {outcome.status: name for name, outcome in outcomes.OUTCOMES.items()}
    assert {
        "SUCCESS": "succeeded",
        "PARTIAL": "partial",
        "FAILED": "failed",
        "TIMED_OUT": "timed_out",
        "LOST": "lost",
    }.items() <= statuses.items()
    assert outcomes.ENDED[:3] == ("succeeded", "partial", "failed")


def test_the_docs_name_every_counter():
    ledger = (ROOT / "docs/ledger.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \|", ledger, re.MULTILINE)
    named = {
        name for row in rows for name in re.split(r", | \(| in the log\)", row.replace("`", ""))
    }
    assert [name for name in outcomes.COUNTERS if outcomes.label(name) not in named] == []
    config = (ROOT / "docs/config.md").read_text(encoding="utf-8")
    assert [name for name in outcomes.COUNTERS if f"`{name}`" not in config] == []


def test_the_docs_name_every_count_of_the_job_summary():
    text = (ROOT / "docs/log.md").read_text(encoding="utf-8")
    assert [name for name in outcomes.OUTCOMES if f"`total_image_{name}`" not in text] == []
