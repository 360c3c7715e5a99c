"""What is optional may be missing: uvloop, ministack."""

import json
import os

import pytest

from tests.cli.command_line import CONFIG, ROOT, Ended

pytestmark = pytest.mark.slow

BLOCKER = """
import importlib.machinery, importlib.metadata

found_spec = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in BLOCKED else found_spec(name, path, target)
importlib.machinery.PathFinder.find_spec = find_spec
found = importlib.metadata.version
def version(name):
    if name in BLOCKED:
        raise importlib.metadata.PackageNotFoundError(name)
    return found(name)
importlib.metadata.version = version
"""


@pytest.fixture
def without(asyncload, tmp_path):
    """Runs a command in an interpreter that cannot import some packages."""

    def run(packages, *arguments):
        site = tmp_path / "site"
        site.mkdir(exist_ok=True)
        blocked = f"BLOCKED = {packages!r}\n"
        (site / "sitecustomize.py").write_text(blocked + BLOCKER)
        process = asyncload.start(*arguments, PYTHONPATH=os.pathsep.join([str(site), str(ROOT)]))
        out, err = process.communicate(timeout=60)
        return Ended(arguments, process.returncode, out, err)

    return run


@pytest.mark.every_python
def test_the_main_job_runs_without_uvloop(without, asyncload):
    asyncload.config.write_text(
        CONFIG + "aws: {endpoint_url: local, region: us-west-2}\ndrain: 30s\n"
    )
    ended = without(["uvloop"], "run", "test.yaml", "--quiet", "--log", "run.jsonl")
    assert ended.returncode == 0, ended.stderr
    lines = (asyncload.folder / "run.jsonl").read_text().splitlines()
    header, ends = json.loads(lines[0]), [json.loads(line) for line in lines if '"job"' in line]
    assert "uvloop" not in header["versions"]
    assert header["host"]["loop"] == "asyncio"
    assert [job["status"] for job in ends] == ["SUCCESS"] * 4


def test_without_ministack_the_embedded_stack_says_what_to_install(without, asyncload):
    asyncload.config.write_text(CONFIG + "aws: {endpoint_url: local, region: us-west-2}\n")
    ended = without(["ministack"], "run", "test.yaml", "--quiet")
    assert ended.returncode == 4
    assert ended.sentence == (
        "the embedded stack needs the package ministack; install it with: pip install 'asyncload[local]'"
    )


HTTP = """
scenarios:
  - name: calls
    load: {shape: {kind: constant, level: 20}, duration: 1s}
    user: {kind: http, base_url: local, requests: [{path: "/v1/models/m:predict", method: POST, json: {rev_id: 1}}]}
thresholds: [request.error_rate < 1%]
"""


def test_http_is_tested_without_ministack_uvloop_rasterio_and_aiobotocore(without, asyncload):
    asyncload.config.write_text(HTTP)
    ended = without(
        ["aiobotocore", "botocore", "ministack", "rasterio", "uvloop"],
        *("run", "test.yaml", "--quiet", "--log", "run.jsonl"),
    )
    assert ended.returncode == 0, ended.stderr
