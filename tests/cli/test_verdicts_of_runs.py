"""The verdict of whole runs with planted faults: its code, the exit code, and what the log says."""

from __future__ import annotations

import json
import socket
import textwrap

import pytest

from tests.cli.services import OK

pytestmark = pytest.mark.slow

LOCAL = "base_url: local\n      local: {workers: 4, service_time: 50ms}"


def config(
    user, *, load="{arrivals: poisson, shape: {kind: constant, level: 40}, duration: 4s}", more=""
):
    return f"name: planted\nscenarios:\n  - name: s\n    load: {load}\n    user:\n      {user}\nlog: run.jsonl\n{more}\n"


def http(base_url, more=""):
    request = "requests: [{method: POST, path: '/v1/models/a:predict', json: {rev_id: 1}}]"
    return f"kind: http\n      {base_url}\n      {request}\n      {more}"


def thresholds(*texts):
    return "thresholds: " + json.dumps(texts) + "\ndrain: 5s"


@pytest.fixture
def judged(asyncload):
    """Runs a config; gives the exit code, the codes of the verdict, the output, the summary."""

    def run(text, *, strictly=False):
        # On a machine on which other tests run, the health of the generator says nothing.
        asyncload.unhurried = not strictly
        asyncload.config.write_text(text)
        ended = asyncload.run()
        lines = (asyncload.folder / "run.jsonl").read_text().splitlines()
        summary = json.loads(lines[-1])["summary"]
        codes = {reason["code"] for reason in summary["verdict"]["reasons"]}
        assert "Traceback" not in ended.stderr
        again = json.loads(asyncload("summary", "run.jsonl", "--json").stdout)
        assert again["verdict"] == summary["verdict"]
        return ended.returncode, codes, " ".join(ended.stdout.split()), summary

    run.folder = asyncload.folder
    return run


@pytest.fixture
def dead_port():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def test_a_dead_service_never_passes_a_latency(judged, dead_port):
    url = f"base_url: 'http://127.0.0.1:{dead_port}'"
    for more in ("", thresholds("request.latency.p95 < 200ms")):
        code, codes, output, summary = judged(config(http(url), more=f"probe: false\n{more}"))
        assert code == 1
        assert "target_unreachable" in codes
        assert summary["verdict"]["state"] == "valid"
        assert "the service never answered" in output
        assert "held" not in output
        assert summary["requests"]["latency"]["p50"] is None


def test_a_service_that_sheds_half_of_its_load_by_fast_failures_does_not_pass(judged):
    simulated = http("base_url: local\n      local: {workers: 4, service_time: 50ms}")
    # One that is full: 4 slots of 50 ms take 80/s, with a queue; so half of the answers is awaited
    # for longer than anybody wants, and times out.
    text = config(
        simulated + "\n      timeout: 120ms",
        load="{shape: {kind: constant, level: 160}, duration: 5s}",
        more=thresholds("request.latency.p95 < 1s"),
    )
    code, codes, output, summary = judged(text)
    assert code == 1
    assert "threshold_failed" in codes
    assert "more than 5 % of the requests failed" in output
    assert summary["requests"]["ok_latency"]["p95"] < 0.5


def test_a_service_that_redirects_every_request_fails_and_says_where_to(judged, fake_aws):
    server = fake_aws(307, "", "text/plain")
    code, codes, output, summary = judged(
        config(
            http(f"base_url: {server.url}"),
            more=thresholds("request.latency.p95 < 200ms", "request.error_rate < 1%"),
        )
    )
    assert code == 1
    assert {"all_failed", "threshold_failed"} <= codes
    assert "HTTP 307 Temporary Redirect" in output
    assert set(summary["requests"]["statuses"]) == {"307"}


def test_dropped_arrivals_are_a_load_that_was_not_delivered(judged):
    load = "{shape: {kind: constant, level: 200}, duration: 4s, max_in_flight: 4}"
    text = config(http(LOCAL), load=load, more=thresholds("request.ok_latency.p50 < 5s"))
    code, codes, output, summary = judged(text)
    assert code == 3
    assert "load_not_delivered" in codes
    assert summary["verdict"]["state"] == "invalid"
    assert "raise max_in_flight" in output
    (delivery,) = summary["delivery"]
    assert delivery["planned"]["count"] == 800
    assert delivery["sent"]["count"] == 800 - summary["requests"]["dropped"]
    assert delivery["ks"] == pytest.approx(summary["requests"]["dropped"] / 800, abs=0.02)
    # Whoever has a threshold on drops has said how many are too many.
    code, codes, *_ = judged(
        config(http(LOCAL), load=load, more=thresholds("request.drop_rate < 100%"))
    )
    assert (code, "load_not_delivered" in codes) == (0, False)


BLOCKING = """
import time

from asyncload import User, task


class Sleeper(User):
    @task
    async def go(self):
        time.sleep(0.08)
        await self.http.get("URL/healthz", name="healthz")


class Pulse(User):
    last = 0.0

    @task
    async def go(self):
        if time.monotonic() - Pulse.last > 1:
            Pulse.last = time.monotonic()
            time.sleep(0.06)
        await self.http.get("URL/healthz", name="healthz")
"""


@pytest.mark.parametrize(("kind", "late"), [("Sleeper", True), ("Pulse", False)])
def test_user_code_that_blocks_the_loop_is_named(judged, fake_aws, kind, late):
    server = fake_aws(*OK)
    (judged.folder / "blocking.py").write_text(BLOCKING.replace("URL", server.url))
    load = "{shape: {kind: constant, level: 20}, duration: 6s}"
    more = thresholds("request.latency.p95 < 20s")
    text = config(f'kind: "blocking:{kind}"', load=load, more=more)
    for _ in range(3):  # who waits for a core is not blamed, so a busy machine hides a block
        code, codes, output, summary = judged(text, strictly=True)
        if "loop_blocked" in codes:
            break
    assert code == 3
    assert "loop_blocked" in codes
    assert f"{kind}.go at blocking.py:" in output
    if late:
        assert "generator_late" in codes
        assert summary["requests"]["lateness"]["p95"] > 1


def test_a_wait_for_connections_of_ours_is_no_service_time(judged):
    load = "{model: closed, shape: {kind: spawn, users: 20, spawn_rate: 1000}, duration: 4s}"
    simulated = http("base_url: local\n      local: {workers: 50, service_time: 50ms}")
    more = "connections: 2\n" + thresholds("request.latency.p95 < 5s")
    code, codes, output, summary = judged(config(simulated, load=load, more=more), strictly=True)
    assert code == 3
    assert "connections_limited" in codes
    assert "at most 2 are open to a target" in output
    requests = summary["requests"]
    assert requests["service_time"]["p50"] < 0.2
    assert requests["queued"]["p50"] > 0.25
    assert requests["latency"]["p50"] == pytest.approx(
        requests["queued"]["p50"] + requests["service_time"]["p50"], rel=0.2
    )


def test_a_percentile_of_too_few_samples_proves_nothing_unless_that_may_pass(judged):
    more = thresholds("request.latency.p99.9 < 5s")
    code, codes, output, summary = judged(config(http(LOCAL), more=more))
    assert (code, codes) == (3, {"too_few_samples"})
    assert "of the 4,603 samples that a p99.9 takes" in output
    assert summary["thresholds"][0]["needed"] == 4603
    code, codes, *_ = judged(config(http(LOCAL), more=more + "\ninconclusive: pass"))
    assert (code, codes) == (0, {"too_few_samples"})


def test_a_rate_that_the_service_cannot_keep_up_with_is_unsteady(judged):
    load = "{shape: {kind: constant, level: 110}, duration: 26s}"
    more = thresholds("request.error_rate < 50%") + "\n"
    code, codes, output, _ = judged(config(http(LOCAL), load=load, more=more))
    assert code == 3
    assert "unsteady" in codes
    assert "asyncload capacity finds the highest" in output


def test_a_threshold_may_end_the_load(judged, dead_port):
    url = f"base_url: 'http://127.0.0.1:{dead_port}'"
    more = textwrap.dedent("""
        probe: false
        thresholds:
          - {threshold: "request.error_rate < 10%", abort: true, delay: 1s}
          - request.latency.p95 < 200ms
    """)
    load = "{shape: {kind: constant, level: 40}, duration: 60s}"
    code, _, output, summary = judged(config(http(url), load=load, more=more))
    assert code == 1
    assert summary["t"] < 10
    assert "request.error_rate < 10% failed, which ends the load" in output


def test_a_clean_run_is_valid_and_has_no_reasons(judged):
    more = thresholds("request.latency.p95 < 2s", "request.error_rate < 1%") + "\nwarmup: 1s"
    text = config(
        http("base_url: local\n      local: {workers: 20, service_time: 20ms}"),
        load="{arrivals: poisson, shape: {kind: constant, level: 60}, duration: 5s}",
        more=more,
    )
    for _ in range(3):  # the machine may be busy with other tests
        code, codes, output, summary = judged(text, strictly=True)
        if not codes:
            break
    assert (code, codes) == (0, set()), output
    assert summary["verdict"] == {"state": "valid", "passed": True, "reasons": []}
    whole = summary["with_warmup"]["requests"]["count"]
    assert summary["requests"]["count"] < whole == summary["delivery"][0]["sent"]["count"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("warmup: 4s", "warmup: 4 s is no shorter than the 4 s of load of scenario 's'"),
        ("connections: 0", "connections: is 0; give a whole number of 1 or more"),
        ("validity: {drop_rate: 2}", "drop_rate: is 2; give a share between 0 and 1"),
        ("validity: {lateness: soon}", "validity.lateness"),
        ("inconclusive: maybe", "inconclusive"),
        ("thresholds: [{threshold: 'request.rate > 1', delay: 1s}]", "set abort: true"),
        ("thresholds: ['request.rate > 1 over 9s']", "over 9s is longer than the 4 s of load"),
        ("thresholds: ['request.latency.p95 < 200']", "write 200ms or 200s"),
        (
            "thresholds: ['request.rate > 5', 'request.rate < 2']",
            "'request.rate > 5' and 'request.rate < 2' cannot both hold",
        ),
        ("thresholds: ['request.rate > 5 for predikt']", "is called 'predikt'"),
    ],
)
def test_a_mistake_in_what_a_run_is_judged_by_is_told_before_it_starts(asyncload, more, sentence):
    asyncload.config.write_text(config(http(LOCAL), more=more))
    asyncload.unhurried = False
    for command in ("check", "run"):
        ended = asyncload(command, "test.yaml")
        assert ended.returncode == 2
        assert sentence in ended.sentence
