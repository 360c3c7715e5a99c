"""JUnit XML and Markdown of runs: what other tools read, and what hostile names cannot do."""

from __future__ import annotations

import dataclasses
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncload.export.junit import junit_xml
from asyncload.export.markdown import MOST, markdown
from asyncload.export.run_report import RunReport
from asyncload.stats.summary import SummaryFold
from asyncload.verdict.evaluate import evaluate
from asyncload.verdict.judge import verdict_of
from asyncload.verdict.thresholds import Threshold
from tests.stats.feeds import header, job, request

HOSTILE = "a|b`c<script>alert(1)</script>]]>\x00\x1b[31m\u202e 😀 *x* _y_ [z](http://e) & \ud800"


def report(*texts, name="night", failing=False, exit_code=None, **fields):
    fold = SummaryFold()
    fold.write(header(s={"duration": 10}))
    for i in range(1000):
        bad = failing and i % 2
        fold.write(
            request(
                t=0.01 * i, latency=0.1, outcome="failed" if bad else "ok",
                error="HTTP 503: a|b" if bad else None,
            )
        )  # fmt: skip
    fold.write(job(t=5.0))
    thresholds = [Threshold.parse(text) for text in texts]
    results = evaluate(thresholds, fold)
    verdict = verdict_of(fold, thresholds, results)
    return RunReport(
        name=name, seconds=12.5, summary=fold.summary(), thresholds=tuple(results),
        verdict=verdict, own_exit_code=verdict.exit_code() if exit_code is None else exit_code,
        **{"exit_code": verdict.exit_code() if exit_code is None else exit_code, **fields},
    )  # fmt: skip


def cases(*reports):
    root = ET.fromstring(junit_xml(reports))
    assert root.tag == "testsuites"
    return root, {
        (suite.get("name"), case.get("name")): [child.tag for child in case]
        for suite in root.findall("testsuite")
        for case in suite.findall("testcase")
    }


def test_each_threshold_and_the_verdict_is_a_test_case():
    root, found = cases(
        report(
            "request.latency.p95 < 1s", "request.latency.p95 < 1ms", "request.latency.p99.9 < 1s"
        )
    )
    assert found == {
        ("night", "request.latency.p95 < 1s"): ["system-out"],
        ("night", "request.latency.p95 < 1ms"): ["failure"],
        ("night", "request.latency.p99.9 < 1s"): ["error"],
        ("night", "verdict"): ["system-out"],
    }
    assert root.attrib == {
        "name": "asyncload", "tests": "4", "failures": "1", "errors": "1", "time": "12.500",
    }  # fmt: skip
    (suite,) = root.findall("testsuite")
    assert suite.get("tests") == "4"
    error = suite.find(".//error")
    assert error.get("type") == "too_few_samples"
    assert "of the 4,603 samples" in error.get("message")


@pytest.mark.parametrize(("code", "tag"), [(0, "system-out"), (1, "failure"), (3, "error")])
def test_what_comes_of_a_baseline_is_a_test_case_of_its_own(code, tag):
    compared = dataclasses.replace(report(), exit_code=code, baseline="1 worse, 5 the same")
    _, found = cases(compared)
    assert found["night", "verdict"] == ["system-out"]
    assert found["night", "baseline"] == [tag]
    assert "Against the baseline: 1 worse, 5 the same" in markdown([compared])
    assert markdown([compared]).startswith(
        "## ✅" if code == 0 else "## ❌" if code == 1 else "## ❔"
    )


def test_a_build_is_red_where_the_exit_code_is():
    _, found = cases(report("request.latency.p99.9 < 1s", exit_code=0))
    assert found["night", "request.latency.p99.9 < 1s"] == ["skipped"]
    _, found = cases(RunReport(name="x", seconds=0.1, exit_code=4, problem="no such host"))
    assert found == {("x", "verdict"): ["error"]}
    _, found = cases(report(exit_code=130), report(name="other"))
    assert found["night", "verdict"] == ["error"]
    assert found["other", "verdict"] == ["system-out"]


@given(st.text() | st.just(HOSTILE))
def test_the_xml_can_be_read_whatever_things_are_called(text):
    problem = RunReport(
        name=text, seconds=0.0, exit_code=2, problem=text, properties=((text, text),)
    )
    root, _ = cases(problem)
    assert root.find(".//error") is not None


def test_markdown_begins_with_the_verdict():
    lines = markdown([report("request.latency.p95 < 1ms", failing=True)]).splitlines()
    assert lines[0] == "## ❌ failed: night"
    text = "\n".join(lines)
    assert "| ❌ | request.latency.p95 &#60; 1ms | never | 1,000 | more than 5 % of" in text
    assert "| get | 1,000 | 500 | 100/s | 100 ms | never | never | 100 ms |" in text
    assert "| 500 × | HTTP 503: a&#124;b |" in text
    assert markdown([report()]).startswith("## ✅ passed: night\n")
    late = RunReport(name="x", seconds=0.1, exit_code=2, problem="x.yaml: no such key")
    assert markdown([late]).startswith("## ❌ could not start: x\n")


@given(st.text() | st.just(HOSTILE))
def test_no_name_breaks_out_of_its_cell(text):
    came = markdown([RunReport(name=text, seconds=0.0, exit_code=2, problem=text)])
    first, empty, second, *rest = came.split("\n")
    assert first.startswith("## ❌ could not start: ")
    assert (empty, rest) == ("", ["", ""])
    for line in (first.removeprefix("## "), second):
        plain = line.replace("&#", "")
        assert not set("<>|`*_[]\\") & set(plain)


def test_markdown_stays_below_what_github_takes():
    problem = RunReport(name="x", seconds=0.0, exit_code=2, problem="y" * 290)
    text = markdown([problem] * 5_000)
    assert len(text.encode()) < MOST + 100
    assert text.endswith("… and more\n")


def test_a_summary_without_requests_is_written():
    empty = SummaryFold()
    verdict = verdict_of(empty)
    nothing = RunReport(
        name="x",
        seconds=1.0,
        summary=empty.summary(),
        verdict=verdict,
        own_exit_code=3,
        exit_code=3,
    )
    assert "nothing_measured" in markdown([nothing]).replace("&#95;", "_")
    assert cases(nothing)[1]["x", "verdict"] == ["error"]


@pytest.mark.parametrize("code", [0, 1, 3, 130])
def test_every_exit_code_has_a_heading(code):
    assert markdown([report(exit_code=code)]).startswith("## ")
