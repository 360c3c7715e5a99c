"""The HdrHistogram log: HdrHistogram's own reader reads it, and its histograms add up."""

from __future__ import annotations

import re
import time
from urllib.parse import unquote

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.export.hlog import HistogramLog
from asyncload.records.record import Request
from asyncload.stats.histogram import LatencyHistogram
from asyncload.stats.summary import SummaryFold
from tests.stats.feeds import header, jobs, requests


def written(path, feed, warmup=0.0):
    fold = SummaryFold()
    log = HistogramLog(path, fold)
    start = header(a={"duration": 100}, b={"duration": 100})
    start.config["warmup"] = warmup
    for record in (start, *sorted(feed, key=lambda one: one.t)):
        fold.write(record)
        log.write(record)
    log.finish()
    log.finish()
    assert log.error is None
    return fold


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (OSError(24, "Too many open files"), "Too many open files; make sure that its folder"),
        (MemoryError("no room"), r"MemoryError\('no room'\); run again"),
    ],
)
def test_what_fails_in_its_thread_is_an_error_and_not_the_end_of_the_thread(
    problem, says, tmp_path, monkeypatch
):
    def encode(_self):
        raise problem

    monkeypatch.setattr(LatencyHistogram, "encode", encode)
    monkeypatch.setattr("asyncload.export.hlog._PAUSE", 0.01)
    log = HistogramLog(tmp_path / "run.hlog", SummaryFold())
    log.write(header(a={"duration": 100}))
    for t in (0.5, 1.5):
        log.write(Request(t=t, scenario="a", user=0, name="n", due=t, end=t, outcome="ok", start=t))
    while log.error is None:
        time.sleep(0.005)
    assert log._thread.is_alive()
    log.finish()
    assert re.search(says, log.error)


def added_up(path):
    """All histograms by tag, as HdrHistogram's own reader reads them."""
    found = {}
    for line in path.read_text().splitlines():
        if line.startswith("Tag="):
            tag, *_, encoded = line.split(",")
            total = found.setdefault(tag.removeprefix("Tag="), LatencyHistogram())
            total.merge(LatencyHistogram.decode(encoded))
    return found


@settings(deadline=None, max_examples=40)
@given(feed=st.lists(requests() | jobs(), max_size=80), warmup=st.sampled_from([0.0, 20.0]))
def test_the_histograms_of_a_name_add_up_to_that_of_the_summary(feed, warmup, tmp_path_factory):
    path = tmp_path_factory.mktemp("hlog") / "run.hlog"
    fold = written(path, feed, warmup)
    expected = {
        f"request:{scenario}:{name}": group.latency
        for (scenario, name), group in fold.requests.items()
    } | {f"job:{scenario}:{name}": group.latency for (scenario, name), group in fold.jobs.items()}
    found = {unquote(tag): histogram for tag, histogram in added_up(path).items()}
    for tag, histogram in expected.items():
        if not histogram.count:
            assert tag not in found
            continue
        percents = (1, 25, 50, 90, 99, 99.9, 100)
        assert found[tag].count == histogram.count
        # The exact maximum and minimum are not in the format: only their buckets.
        for one, other in zip(
            found[tag].percentiles(percents), histogram.percentiles(percents), strict=True
        ):
            assert abs(one - other) <= other / 1000 + 2e-6
    assert set(found) <= set(expected)


def test_the_reader_of_hdrhistogram_reads_it(tmp_path):
    path = tmp_path / "sub" / "run.hlog"
    feed = [
        request
        for t in range(5)
        for request in [
            _request(t + 0.5, 0.1 * (t + 1), name="POST /a,b c"),
            _request(t + 0.6, 0.2, name="x"),
        ]
    ]
    written(path, feed)
    total = HdrHistogram(1, 86_400_000_000, 3)
    reader = HistogramLogReader(str(path), total)
    number = 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        number += interval.get_total_count()
    reader.close()
    assert number == 10
    text = path.read_text()
    assert "#[Histogram log format version 1.3]" in text
    assert "Tag=request:a:POST%20/a%2Cb%20c," in text


def _request(t, latency, name):
    from tests.stats.feeds import request

    return request(t=t, latency=latency, scenario="a", name=name)


def test_what_cannot_be_written_is_an_error_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    fold = SummaryFold()
    log = HistogramLog(tmp_path / "file" / "run.hlog", fold)
    log.write(header(a={"duration": 1}))
    log.write(_request(0.5, 0.1, "x"))
    log.finish()
    assert log.error.startswith(f"cannot write {tmp_path}/file/run.hlog: ")
