"""Load tests beside other tests: the mark, the fixture, and the verdict as the outcome."""

from __future__ import annotations

import textwrap
from importlib.metadata import entry_points

import pytest

from tests.cli.command_line import ROOT

pytest_plugins = ["pytester"]
CALM = "validity: {lateness: 60s, loop_lag: 60s, loop_lag_often: 60s, busy_share: 1, steal: 1}"
INSTALLED = [one for one in entry_points(group="pytest11") if one.name == "asyncload"]
PLUGIN = [] if INSTALLED else ["-p", "asyncload.pytest_plugin"]
HEAD = """
import asyncio, pytest

CALM = {"lateness": "60s", "loop_lag": "60s", "loop_lag_often": "60s", "busy_share": 1, "steal": 1}
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(text, *options):
        pytester.makepyfile(HEAD + textwrap.dedent(text))
        # In a process of its own: event loops, and plugins of this run, are none of its business.
        return pytester.runpytest_subprocess(
            *PLUGIN,
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-rs",
            *options,
        )

    return run


def test_the_verdict_is_the_outcome(suite):
    done = suite(
        """
        @pytest.mark.load(users=2, duration="500ms", wait="20ms", validity=CALM, expect=["request.error_rate < 1%"])
        async def test_good(load_user, tmp_path):
            with load_user.measure("work"):
                assert tmp_path.exists()
                await asyncio.sleep(0.001)

        @pytest.mark.load(users=2, duration="300ms", wait="20ms", validity=CALM, expect=["request.error_rate < 1%"])
        async def test_bad(load_user):
            with load_user.measure("work") as call:
                call.fail("no room")

        @pytest.mark.load(users=1, duration="200ms", wait="50ms", validity=CALM, expect=["request.latency.p99 < 1s"])
        async def test_few(load_user):
            with load_user.measure("work"):
                await asyncio.sleep(0.001)

        def test_beside():
            pass
        """
    )
    done.assert_outcomes(passed=2, failed=1, skipped=1)
    text = done.stdout.str()
    assert "no room" in text
    assert "inconclusive: too_few_samples" in text
    assert "Traceback" not in text


def test_inconclusive_fails_by_choice(suite, pytester):
    pytester.makeini("[pytest]\nasyncload_inconclusive = fail")
    done = suite(
        """
        @pytest.mark.load(users=1, duration="200ms", wait="50ms", validity=CALM, expect=["request.latency.p99 < 1s"])
        async def test_few(load_user):
            with load_user.measure("work"):
                pass
        """
    )
    done.assert_outcomes(failed=1)


def test_a_config_is_run_by_the_fixture(suite, pytester):
    (pytester.path / "demo.yaml").write_text(
        "scenarios:\n  - load: {shape: {kind: constant, rate: 20}, duration: 500ms}\n"
        "    user: {kind: http, base_url: local, requests: "
        "[{method: POST, path: '/v1/models/m:predict', json: {}}]}\n"
        f"thresholds: [request.error_rate < 1%]\n{CALM}\n"
    )
    done = suite(
        """
        def test_demo(asyncload):
            result = asyncload("demo.yaml", log="run.jsonl")
            assert result.summary.requests.count == 10

        def test_goes_on(asyncload):
            result = asyncload("demo.yaml", check=False, thresholds=["request.latency.max < 1us"])
            assert result.exit_code == 1

        def test_missing(asyncload):
            asyncload("none.yaml")
        """
    )
    done.assert_outcomes(passed=2, failed=1)
    assert "none.yaml: there is no such file" in done.stdout.str()


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        ("rate=1, users=2", "pytest.mark.load takes either rate or users"),
        ("", "pytest.mark.load takes either rate or users"),
        ("rate=1, speed=2", "and not 'speed'"),
        ("rate=-1", "level must be a finite number of 0 or more"),
    ],
)
def test_a_mark_that_is_wrong_says_so(suite, mark, sentence):
    done = suite(
        f"""
        @pytest.mark.load({mark})
        async def test_it(load_user):
            pass
        """
    )
    done.assert_outcomes(failed=1)
    assert sentence in done.stdout.str()
