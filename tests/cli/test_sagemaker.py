"""`kind: sagemaker` on the embedded stack, as a user meets it: runs, mistakes, and the capacity."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

CONFIG = """
name: endpoint
aws: {endpoint_url: "${URL:-local}", region: us-west-2}
scenarios:
  - name: endpoint
    load: {shape: {kind: constant, level: 40}, duration: 1s}
    user: {kind: sagemaker, endpoint: centerpoint, json: {inputs: 1}}
local: {sagemaker: {workers: 4, service_time: {mean: 50ms, distribution: constant}}}
"""
CAPACITY = 80.0
"""Four workers of 50 ms each."""


@pytest.fixture
def sagemaker(asyncload):
    asyncload.config.write_text(CONFIG)
    return asyncload


@pytest.fixture
def at_stack(on_stack):
    """The same config at a stack that is there already."""
    on_stack.config.write_text(CONFIG)

    def run(*overrides, **environment):
        url = on_stack.environment["AWS_ENDPOINT_URL"]
        return on_stack.run(*overrides, **{"URL": url, **environment})

    return run


def test_the_capacity_of_an_instance_becomes_the_target_of_auto_scaling(sagemaker, tmp_path):
    done = sagemaker(
        *("capacity", "test.yaml", "--json", "found.json", "--set=thresholds=[request.latency.p95 < 150ms]"),
        *("--start", 76.5, "--step", 1.1, "--precision", "10%", "--step-duration", "4s"),
    )  # fmt: skip
    result = json.loads((tmp_path / "found.json").read_text())
    assert done.returncode == 0, done.stdout + done.stderr
    assert result["capacity"] == pytest.approx(CAPACITY, rel=0.05)
    assert CAPACITY < result["failed_at"] < 1.1 * CAPACITY
    target = round(result["capacity"] * 0.5 * 60, 2)
    assert "SageMakerVariantInvocationsPerInstance = MAX_RPS × SAFETY_FACTOR × 60" in done.stdout
    assert f"= {result['capacity']:g}/s of one instance × 0.5 × 60 = {target:g}" in done.stdout
    policy = done.stdout[done.stdout.index("{\n") : done.stdout.index("\n}") + 2]
    assert json.loads(policy) == result["scaling"]["policy"]
    assert json.loads(policy)["TargetValue"] == target
    assert (tmp_path / "plots" / "endpoint.capacity.png").stat().st_size > 20_000


def test_a_run_at_the_stack_counts_invocations(at_stack):
    done = at_stack()
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "InvokeEndpoint" in line)
    assert line.split()[1:3] == ["40", "0"]


def test_a_streamed_answer_has_a_part_of_its_own_in_the_table(at_stack):
    done = at_stack("scenarios.0.user.stream=lines")
    assert done.returncode == 0, done.stderr
    streams = done.stdout[done.stdout.index("Streams  first") :]
    row = next(line for line in streams.splitlines() if "ponseStream" in line)
    assert row.split()[1] == "400"  # ten parts each


@pytest.mark.parametrize(
    ("override", "environment", "reason"),
    [
        ("endpoint=nope", {}, "ValidationError: Endpoint nope of account 000000000000 not found."),
        (
            "endpoint=ships",
            {},
            "ValidationError: Endpoint ships of account 000000000000 not found.",
        ),
        ("variant=blue", {}, "ValidationError: Could not find variant blue."),
        ("accept=a", {"AWS_SECRET_ACCESS_KEY": "wrong"}, "InvalidSignatureException: The request"),
        ("accept=a", {"URL": "http://127.0.0.1:9"}, "No connection to 127.0.0.1:9"),
    ],
)
def test_what_refuses_gives_one_reason_in_the_failure_table(
    at_stack, override, environment, reason
):
    done = at_stack(
        f"scenarios.0.user.{override}",
        "thresholds=[request.error_rate < 1%]",
        "probe=false",
        **environment,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    failures = " ".join(done.stdout[done.stdout.index("Failures") :].split())
    assert failures.startswith("Failures 40 × request")
    assert failures.count("×") == 1
    assert reason in failures


def test_a_check_tells_the_endpoint_and_that_invocations_are_not_what_is_paid(sagemaker):
    done = sagemaker("check", "test.yaml", COLUMNS="120")
    assert done.returncode == 0, done.stderr
    assert "centerpoint  config" in done.stdout
    assert "sagemaker-runtime.InvokeEndpoint  40  0.00 USD" in done.stdout
    assert "runs on (instances, inference)" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "scenarios.0.user.folder=images",
            "scenarios.0.user: json and folder exclude each other; keep one of them",
        ),
        (
            "scenarios.0.user.variant=a b",
            "scenarios.0.user.variant: is 'a b'; give letters, digits and hyphens, or leave it out",
        ),
        (
            "local.sagemaker.workers=0",
            "local.sagemaker.workers: is 0; give a whole number from 1 to 10000",
        ),
    ],
)
def test_a_mistake_is_told_in_one_sentence(sagemaker, override, sentence):
    done = sagemaker("check", "test.yaml", f"--set={override}")
    assert done.returncode == 2
    assert done.sentence == f"test.yaml: {sentence}"
