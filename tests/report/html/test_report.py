"""The report of a run: one HTML file, with the numbers of the summary and nothing to fetch."""

from __future__ import annotations

import html
import html.parser
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.records.record import Level, Note
from asyncload.report.html.chart import (
    Chart,
    Line,
    count_axis,
    draw,
    latency_axis,
    percentile_axis,
    thinned,
    time_axis,
)
from asyncload.report.html.run_charts import interval
from asyncload.stats import units
from tests.report import believable_log as believable
from tests.report.records import job, request

NASTY = "<img src=x onerror=alert(1)>\"'&"


@pytest.fixture
def log(tmp_path):
    def write(records, **header):
        return believable.write(tmp_path / "run.jsonl", [believable.header(**header), *records])

    return write


def hour(names=10, seconds=3600, each=10):
    rng = np.random.default_rng(1)
    records = []
    for t in range(0, seconds, 4):
        for name in range(names):
            due = t + name / names
            took = float(rng.lognormal(-3, 0.6))
            failed = rng.random() < 0.01
            records.append(
                request(due, due + took, "failed" if failed else "ok", name=f"GET /n{name}",
                        start=due, first_byte=due + took / 2,
                        error="HTTP 503: no room" if failed else None)
            )  # fmt: skip
        if t % each == 0:
            records.append(
                Level(t=float(t), scenario="web", target=2.5, users=3, in_flight=2, backlog=0)
            )
    return records


def report(asyncload, log, *options):
    ended = asyncload("report", log, "-o", "report.html", *options)
    assert ended.returncode == 0, ended.stderr
    return (asyncload.folder / "report.html").read_text()


class Attributes(html.parser.HTMLParser):
    """Collects what a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.handlers = set(), [], []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"src", "href", "xlink:href", "action", "data", "srcset"}:
                self.addresses.append(value)
            if name.startswith("on"):
                self.handlers.append(name)


def texts(page):
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def test_an_hour_of_ten_names_is_small_and_has_every_number_of_the_summary(asyncload, log):
    path = log(hour(), scenarios={"web": "open"})
    page = report(asyncload, path)
    assert len(page.encode()) < 400_000
    summary = json.loads(asyncload("summary", path, "--json").stdout)
    shown = texts(page)
    for row in [*summary["requests_by_name"], summary["requests"]]:
        for percent in ("p50", "p90", "p95", "p99"):
            value = row["latency"][percent]
            assert ("never" if value is None else units.seconds(value)) in shown
        assert units.count(row["count"]) in shown
    for text, number in summary["requests"]["failures"].items():
        assert text in shown
        assert units.count(number) in shown
    # The tables stand in the page itself: without a script all rows are there.
    assert all(f"GET /n{number}" in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
               for number in range(10))  # fmt: skip


def test_nothing_is_fetched_and_no_text_of_others_becomes_markup(asyncload, log):
    records = [
        request(n / 10, n / 10 + 0.05, "failed", name=NASTY, error=f"{NASTY} {n}", start=n / 10)
        for n in range(100)
    ]
    records.append(Note(t=1.0, level="warning", text=NASTY))
    page = report(asyncload, log(records, name=NASTY, scenarios={"web": "open"}))
    assert "<img" not in page
    assert page.count("<script") == 1
    assert NASTY in texts(page)
    parser = Attributes()
    parser.feed(page)
    assert parser.tags >= {"svg", "table", "style", "script"}
    assert parser.handlers == []
    assert [one for one in parser.addresses if not one.startswith("data:")] == []
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "connect-src" not in page


def test_jobs_have_their_parts_their_backlog_and_those_that_never_ended(asyncload, log):
    records = [job(n / 5, n / 5 + 1.0, accepted=n / 5 + 0.1, started=n / 5 + 0.3,
                   finished=n / 5 + 0.9) for n in range(200)]  # fmt: skip
    records += [job(41.0, None, "TIMED_OUT", t=50.0)]
    records += [Level(t=float(t), scenario="jobs", target=5, users=2, in_flight=1, backlog=t % 7)
                for t in range(40)]  # fmt: skip
    shown = texts(report(asyncload, log(records, scenarios={"jobs": "open"})))
    for word in (
        "Job latency from due time",
        "queue wait",
        "job backlog",
        "Where the time of jobs went",
    ):
        assert word in shown


def test_a_baseline_stands_beside_the_run(asyncload, log, tmp_path):
    path = log(hour(2, 400), scenarios={"web": "open"})
    page = report(asyncload, path, "--baseline", path)
    assert "Against the baseline" in page
    assert "GET /n0, before" in page
    assert "+0.0 %" in texts(page)


def test_run_writes_the_report_too(asyncload, fake_aws):
    service = fake_aws(200, "{}", "application/json")
    ended = asyncload("http", service.url, "-n", "20", "-r", "40", "--quiet", "--html", "a/b.html")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "Passed" in (asyncload.folder / "a/b.html").read_text()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "there is no log none.jsonl; check the path, or make one with a run"),
        ("", "the log none.jsonl is empty; it has a first line once a run has started"),
    ],
)
def test_what_is_no_log_gets_one_sentence(asyncload, content, sentence):
    if content is not None:
        (asyncload.folder / "none.jsonl").write_text(content)
    ended = asyncload("report", "none.jsonl")
    assert ended.returncode == 2
    assert ended.sentence == sentence


# -- charts ----------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=3000))
def test_thinning_keeps_the_least_and_the_highest(values):
    y = np.array(values)
    x = np.arange(len(y), dtype=float)
    kept_x, kept = thinned(x, y, 100)
    assert len(kept) <= max(len(y), 100) if len(y) <= 100 else len(kept) <= 100
    assert np.all(np.diff(kept_x) > 0)
    if not np.isnan(y).all():
        assert np.nanmin(kept) == np.nanmin(y)
        assert np.nanmax(kept) == np.nanmax(y)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=50))
def test_axes_hold_what_is_drawn_and_have_few_labels(values):
    y = np.array(values)
    for axis in (latency_axis([y]), count_axis(float(y.max())), time_axis(float(y.max()))):
        assert axis.low <= max(y.max() * 1.001, 1.0)
        assert axis.high >= y.max() * 0.999
        assert 2 <= len(axis.ticks) <= 13
        assert all(0 <= share <= 1 for share in axis.place(y))
    assert latency_axis([y]).low <= y.min() * 1.0001


def test_a_percentile_that_is_never_lies_along_the_top():
    y = np.array([0.01, np.inf, np.nan, 0.02])
    chart = Chart(
        "x", time_axis(4), latency_axis([y]), [Line("p99", "red", np.arange(4.0), y)], "s"
    )
    assert 'class="never c-red"' in draw(chart)
    assert [label for _, label in percentile_axis(1e4).ticks] == [
        "0", "p50", "p90", "p99", "p99.9", "p99.99",
    ]  # fmt: skip


def test_intervals_of_percentiles_hold_them_in_nineteen_of_twenty_samples():
    rng = np.random.default_rng(5)
    true = -np.log(0.1)  # p90 of an exponential distribution
    inside = 0
    for _ in range(400):
        values = np.sort(rng.exponential(size=500))
        x = np.geomspace(1, 500, 110)
        y = values[np.clip(np.ceil(500 - 500 / x).astype(int) - 1, 0, 499)]
        low, high = interval(x, y, 500)
        at = int(np.argmin(np.abs(x - 10)))
        inside += low[at] <= true <= high[at]
    assert 0.90 < inside / 400 <= 1.0
