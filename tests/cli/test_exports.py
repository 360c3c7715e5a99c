"""JUnit XML, the HdrHistogram log and Markdown, through the command line."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from asyncload.stats.histogram import LatencyHistogram
from tests.cli.services import BROKEN, OK, write_test

pytestmark = pytest.mark.slow


def cases(path):
    return {
        (suite.get("name"), case.get("name")): [child.tag for child in case]
        for suite in ET.parse(path).getroot()
        for case in suite.iter("testcase")
    }


def test_a_run_leaves_what_other_tools_read(asyncload, fake_aws):
    server = fake_aws(*OK)
    write_test(asyncload.config, server.url, "thresholds: [request.error_rate < 1%]", rate=100)
    ended = asyncload(
        "run", "test.yaml", "--quiet", "--junit", "out/junit.xml", "--hlog", "out/run.hlog",
        "--markdown", "out/run.md", GITHUB_STEP_SUMMARY=str(asyncload.folder / "step.md"),
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    folder = asyncload.folder
    assert cases(folder / "out" / "junit.xml") == {
        ("test", "request.error_rate < 1%"): ["system-out"],
        ("test", "verdict"): ["system-out"],
    }
    markdown = (folder / "out" / "run.md").read_text()
    assert markdown.startswith("## ✅ passed: test\n")
    assert (folder / "step.md").read_text() == markdown
    whole = LatencyHistogram()
    for line in (folder / "out" / "run.hlog").read_text().splitlines():
        if line.startswith("Tag="):
            whole.merge(LatencyHistogram.decode(line.rsplit(",", 1)[1]))
    again = asyncload("summary", "logs/run.jsonl", "--json", "--hlog", "again.hlog")
    assert json.loads(again.stdout)["requests"]["ok_latency"]["count"] == whole.count == 30
    lines = (folder / "again.hlog").read_text().splitlines()
    assert [line for line in lines if line.startswith("Tag=")] == [
        line
        for line in (folder / "out" / "run.hlog").read_text().splitlines()
        if line.startswith("Tag=")
    ]


def test_a_folder_of_tests_is_one_file_with_a_suite_for_each(asyncload, fake_aws):
    limit = "thresholds: [request.error_rate < 1%]"
    write_test(asyncload.folder / "all" / "good.yaml", fake_aws(*OK).url, limit)
    write_test(asyncload.folder / "all" / "bad.yaml", fake_aws(*BROKEN).url, limit)
    ended = asyncload(
        "run", "all", "--quiet", "--junit", "junit.xml", GITHUB_STEP_SUMMARY="step.md"
    )
    assert ended.returncode == 1
    found = cases(asyncload.folder / "junit.xml")
    assert found["good", "verdict"] == ["system-out"]
    assert found["bad", "verdict"] == ["failure"]
    assert found["bad", "request.error_rate < 1%"] == ["failure"]
    text = (asyncload.folder / "step.md").read_text()
    assert "## ✅ passed: good" in text
    assert "## ❌ failed: bad" in text
    refused = asyncload("run", "all", "--hlog", "run.hlog")
    assert refused.returncode == 2
    assert "--hlog run.hlog is of one run, but all is a folder of tests" in refused.sentence


def test_a_run_that_cannot_start_is_an_error_of_its_suite(asyncload):
    asyncload.config.write_text("scenarios: []\n")
    ended = asyncload("run", "test.yaml", "--junit", "junit.xml")
    assert ended.returncode == 2
    assert cases(asyncload.folder / "junit.xml") == {("test", "verdict"): ["error"]}


@pytest.mark.parametrize("option", ["junit", "hlog", "markdown"])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_sent(
    asyncload, fake_aws, option
):
    server = fake_aws(*OK)
    write_test(asyncload.config, server.url)
    ended = asyncload("run", "test.yaml", f"--{option}", "test.yaml/x")
    assert ended.returncode == 2
    assert ended.sentence.startswith(f"--{option}: cannot write test.yaml/x: ")
    assert server.seen == []


def test_what_github_cannot_take_is_a_warning(asyncload, fake_aws):
    write_test(asyncload.config, fake_aws(*OK).url)
    ended = asyncload("run", "test.yaml", "--quiet", GITHUB_STEP_SUMMARY="no/such/step.md")
    assert ended.returncode == 0
    assert ended.sentence.startswith("cannot write no/such/step.md: ")


@pytest.mark.parametrize("option", ["junit", "hlog", "markdown", "html"])
def test_a_file_that_no_run_wrote_is_not_replaced(asyncload, option):
    before = asyncload.config.read_text()
    ended = asyncload("run", "test.yaml", f"--{option}", "test.yaml")
    assert ended.returncode == 2
    assert ended.sentence == (
        f"--{option}: test.yaml is there already and not what an earlier run wrote there; "
        "name another file, or remove it"
    )
    assert asyncload.config.read_text() == before
