"""The two graphs of clients that become more."""

from __future__ import annotations

import numpy as np
import pytest

from asyncload.report.plots import run_plots as plots
from asyncload.report.plots import series as plot_series
from asyncload.report.plots.load_stages import staged_loads, step_latency, step_throughput
from tests.report import believable_log as believable
from tests.report.load_stages import Step, answers, staged_records
from tests.report.plots.test_run_plots import assert_is_a_picture
from tests.report.records import words

STEPS = [Step(1, 10), Step(5, 50), Step(10, 60, bad=1 / 10, latency=0.16)]


@pytest.fixture
def log(tmp_path):
    return believable.write(tmp_path / "run.jsonl", staged_records(STEPS))


def run_of(log):
    return plots.run_of(plots.read_columns(log))


def test_the_line_of_the_clients_has_corners_where_steps_begin(log):
    ((part, found),) = staged_loads(run_of(log))
    assert part.scenario == "edge"
    assert list(found.times) == [0, 0, 10, 10, 20, 20, 30, 30]
    assert list(found.clients) == [0, 1, 1, 5, 5, 10, 10, 0]
    assert list(found.expected) == [0, 10, 10, 50, 50, 100, 100, 0]
    assert [step.steady for step in found.stages] == [True, True, False]


def test_answers_successes_and_errors_add_up(log):
    run = run_of(log)
    ((part, found),) = staged_loads(run)
    rates = found.rates(part, run)
    sent = 100 + 500 + 600
    _, pieces = plot_series.pieces(run, part.load_end)
    assert (rates.answered * pieces.widths).sum() == pytest.approx(sent)
    assert (rates.errors * pieces.widths).sum() == pytest.approx(60)
    assert np.allclose(rates.good + rates.errors, rates.answered)
    assert rates.answered[12:18] == pytest.approx(50, abs=1)


def test_the_last_step_does_not_end_in_a_collapse(tmp_path):
    records = [staged_records(STEPS)[0], *answers(STEPS, 10, until=14.3)]
    run = run_of(believable.write(tmp_path / "run.jsonl", records))
    assert 14.2 < run.span < 14.45
    ((part, found),) = staged_loads(run)
    assert found.rates(part, run).answered[-1] == pytest.approx(50, rel=0.05)


def test_both_graphs_are_drawn_and_name_what_they_show(log, tmp_path):
    written = {path.stem: path for path in plots.plot_log(log, tmp_path / "plots")}
    for name in ("step_throughput", "step_latency"):
        assert_is_a_picture(written[name])
    run = run_of(log)
    throughput, latency = words(step_throughput(run)), words(step_latency(run))
    for text in ("expected", "answered", "successes", "errors", "clients (right)", "not steady"):
        assert text in throughput
    for text in ("p50 (median)", "p95", "p99", "clients (right)", "not steady"):
        assert text in latency


def test_a_run_of_another_kind_has_neither(tmp_path):
    header = believable.header(loads={"edge": {"model": "closed"}})
    records = [header, *answers([Step(5, 50)], 10)]
    log = believable.write(tmp_path / "run.jsonl", records)
    assert step_throughput(run_of(log)) is None
    assert step_latency(run_of(log)) is None


def test_a_log_without_an_end_is_drawn_as_far_as_it_goes(tmp_path):
    records = [staged_records(STEPS)[0], *answers(STEPS, 10, until=14)]
    run = run_of(believable.write(tmp_path / "run.jsonl", records))
    ((_, found),) = staged_loads(run)
    assert [step.steady for step in found.stages] == [True, None]
    assert step_throughput(run) is not None
