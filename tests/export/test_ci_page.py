"""The jobs in docs/ci.md are YAML, and run the command that the page shows, which is tested."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

PAGE = (Path(__file__).parent.parent.parent / "docs" / "ci.md").read_text()


def fences(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_jobs_run_the_command_of_the_page():
    command = fences("bash")[0].strip()
    github, gitlab = (yaml.safe_load(text) for text in fences("yml"))
    steps = github["jobs"]["load"]["steps"]
    assert command in [step.get("run") for step in steps]
    assert command in gitlab["load"]["script"]
    assert gitlab["load"]["artifacts"]["reports"]["junit"] in command
