"""Runs as JUnit XML: a test suite for each, with a test case for each threshold and the verdict.

The form is the one that Jenkins, GitLab and GitHub's reporters read
(https://github.com/testmoapp/junitxml). What makes the exit code red is a failure or an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree as ET

from asyncload.export.run_report import RunReport
from asyncload.verdict.thresholds import ThresholdResult

# XML 1.0 has no place for other characters, not even escaped ones.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(reports: Sequence[RunReport]) -> bytes:
    """Write the XML of some runs, UTF-8."""
    root = ET.Element("testsuites", name="asyncload")
    suites = [_suite(report) for report in reports]
    root.extend(suites)
    for key in ("tests", "failures", "errors"):  # the schema knows no skipped here
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in suites)))
    root.set("time", f"{sum(report.seconds for report in reports):.3f}")
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _suite(report: RunReport) -> ET.Element:
    suite = ET.Element("testsuite", name=_text(report.name), time=f"{report.seconds:.3f}")
    if report.started:
        suite.set("timestamp", report.started)
    if report.properties:
        properties = ET.SubElement(suite, "properties")
        for name, value in report.properties:
            ET.SubElement(properties, "property", name=_text(name), value=_text(value))
    passes = report.own_exit_code == 0
    for result in report.thresholds:
        _threshold(_case(suite, report, result.text), result, passes=passes)
    _verdict(_case(suite, report, "verdict"), report, passes=report.own_exit_code == 0)
    if report.baseline is not None:
        _baseline(_case(suite, report, "baseline"), report.baseline, report.exit_code)
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(sum(case.find(tag) is not None for case in cases)))
    return suite


def _case(suite: ET.Element, report: RunReport, name: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=_text(report.name), name=_text(name), time="0.000"
    )


def _threshold(case: ET.Element, result: ThresholdResult, *, passes: bool) -> None:
    """Say how a threshold came out; what is inconclusive and passes all the same is skipped."""
    samples = "" if result.samples is None else f", {result.samples:,} samples"
    measured = f"measured: {result.measured}{samples}"
    if result.result == "fail":
        _add(case, "failure", "threshold_failed", result.reason, measured)
    elif result.result == "inconclusive":
        _add(case, "skipped" if passes else "error", "too_few_samples", result.reason, measured)
    else:
        ET.SubElement(case, "system-out").text = _text(measured)


def _verdict(case: ET.Element, report: RunReport, *, passes: bool) -> None:
    if report.problem is not None:
        _add(case, "error", "not_started", report.problem, report.problem)
        return
    reasons = report.reasons
    if report.own_exit_code == 130:
        _add(case, "error", "interrupted", "the run was interrupted", "")
    elif reasons:
        first = reasons[0]
        tag = "failure" if first.weight == "failed" else "error"
        text = "\n".join(f"{one.code}: {one.text}\n  {one.remedy}" for one in reasons)
        _add(case, "skipped" if passes else tag, first.code, first.text, text)
    else:
        state = "" if report.verdict is None else report.verdict.state
        ET.SubElement(case, "system-out").text = _text(state)


def _baseline(case: ET.Element, sentence: str, exit_code: int) -> None:
    """Say how the run stands against its baseline."""
    if exit_code == 1:
        _add(case, "failure", "worse", sentence, sentence)
    elif exit_code == 3:
        _add(case, "error", "cannot_tell", sentence, sentence)
    else:
        ET.SubElement(case, "system-out").text = _text(sentence)


def _add(case: ET.Element, tag: str, kind: str, message: str, text: str) -> None:
    element = ET.SubElement(case, tag, message=_text(message))
    if tag != "skipped":
        element.set("type", kind)
    element.text = _text(text)


def _text(text: str) -> str:
    return _NOT_XML.sub("�", text)
