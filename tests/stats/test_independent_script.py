"""The numbers of a run against a slow script that knows nothing of the fold: sorted lists."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.records.log import LogReader, LogWriter
from asyncload.records.record import Request
from asyncload.stats.live import LiveStats
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import header, requests

PERCENTS = (50, 90, 95, 99, 99.9)
KEYS = ("p50", "p90", "p95", "p99", "p99.9")


def slow_percentile(values, percent):
    """The nearest-rank percentile of a list; what did not end well is infinite in it."""
    ordered = sorted(values)
    rank = max(1, math.ceil(round(percent * len(ordered)) / 100 if percent < 99.5 else
                            percent / 100 * len(ordered) - 1e-9))  # fmt: skip
    return ordered[rank - 1]


def slow_summary(lines):
    """Counts and latencies from the lines of a log, as JSON says them."""
    count = dict.fromkeys(("ok", "failed", "timeout", "dropped", "interrupted"), 0)
    every, good = [], []
    for line in lines:
        one = json.loads(line)
        if one["type"] != "request":
            continue
        count[one["outcome"]] += 1
        if one["outcome"] == "interrupted":
            continue
        latency = one["end"] - one["due"] if one["outcome"] == "ok" else math.inf
        every.append(latency)
        if latency < math.inf:
            good.append(latency)
    return count, every, good


@settings(deadline=None, max_examples=60)
@given(feed=st.lists(requests(), max_size=150))
def test_live_numbers_the_summary_of_the_log_and_a_slow_script_agree(feed, tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "run.jsonl"
    live, log = LiveStats(), LogWriter(path)
    start = header(a={"duration": 100}, b={"duration": 100})
    for record in (start, *feed):
        live.write(record)
        log.write(record)
    log.close()
    again = SummaryFold()
    for record in LogReader(path):
        again.write(record)
    now = live.fold.summary()
    assert again.summary() == now
    count, every, good = slow_summary(path.read_text().splitlines())
    requests_ = now.requests
    assert {name: getattr(requests_, name) for name in count} == count
    assert requests_.count == count["ok"] + count["failed"] + count["timeout"]
    assert sum(requests_.statuses.values()) == sum(
        isinstance(one, Request) and one.status is not None and one.outcome not in
        {"dropped", "interrupted"} for one in feed
    )  # fmt: skip
    for values, distribution in ((every, requests_.latency), (good, requests_.ok_latency)):
        assert distribution.count + distribution.beyond == len(values)
        for key, percent in zip(KEYS, PERCENTS, strict=True):
            found = distribution.p99_9 if key == "p99.9" else getattr(distribution, key)
            if not values:
                assert found is None
                continue
            exact = slow_percentile(values, percent)
            if exact == math.inf:
                assert found is None, "never"
            else:
                assert found == pytest.approx(exact, rel=0.001, abs=1.5e-6)
