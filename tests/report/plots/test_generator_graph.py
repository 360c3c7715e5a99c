"""The graph of the generator's own health."""

import math

import numpy as np
import pytest

from asyncload.records.record import System
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots.generator import generator
from asyncload.report.plots.host_series import POINTS, own_health
from tests.report import believable_log as believable
from tests.report.plots.test_run_plots import assert_is_a_picture
from tests.report.records import request, run_of, words

pytestmark = pytest.mark.slow

SENT = [request(0, 1), request(1, 20)]
BLOCKED = System(
    3.0, "vm", 40.0, loop_lag=0.25, blocked=0.25, blocked_by="Slow.go at slow.py:6", gc_pause=0.1,
    cpu_wait=5.0, core_cpu=70.0, steal=0.0, log_backlog=9,
)  # fmt: skip
QUIET = [System(float(t), "vm", 30.0, loop_lag=0.001, gc_pause=0.0, steal=0.0) for t in (1, 2)]


def test_code_that_blocked_the_loop_is_named_with_the_longest_block(tmp_path):
    text = words(generator(run_of(tmp_path, [*SENT, *QUIET, BLOCKED])))
    assert "blocked by Slow.go at slow.py:6 (max 250 ms)" in text
    assert "event loop late (max 250 ms)" in text
    assert "garbage collection (max 100 ms)" in text
    assert "our loop waiting for a core" in text
    assert "records waiting for the log" in text
    assert "stolen by the hypervisor" not in text
    assert "wall clock" not in text


def test_a_quiet_run_names_nobody(tmp_path):
    text = words(generator(run_of(tmp_path, [*SENT, *QUIET])))
    assert "blocked" not in text
    assert "garbage collection" not in text


def test_of_much_code_the_worst_is_named(tmp_path):
    rows = [
        System(float(t), "vm", loop_lag=t / 10, blocked=t / 10, blocked_by=f"F.f at f.py:{t}")
        for t in range(1, 8)
    ]
    text = words(generator(run_of(tmp_path, [*SENT, *rows])))
    assert [f"f.py:{t} " in text for t in range(1, 8)] == [False] * 4 + [True] * 3
    assert "and 4 more" in text


@pytest.mark.parametrize(
    ("jumps", "label"),
    [
        ([2.0], "wall clock jumped by 2.00 s"),
        ([-2.0], "wall clock jumped by 2.00 s back"),
        ([-2.0, 1.0], "wall clock jumped (2 times)"),
    ],
)
def test_jumps_of_the_clock_are_marked(tmp_path, jumps, label):
    rows = [
        System(float(t), "vm", loop_lag=0.001, clock_jump=jump) for t, jump in enumerate(jumps, 1)
    ]
    assert label in words(generator(run_of(tmp_path, [*SENT, *rows])))


def test_a_figure_that_was_not_sampled_is_a_gap_and_other_hosts_are_not_in_it(tmp_path):
    rows = [
        System(1.0, "vm", 10.0, loop_lag=0.1),
        System(1.5, "edge", 99.0),
        System(2.0, "vm", loop_lag=0.2),
        System(3.0, "vm", 30.0, loop_lag=0.3),
    ]
    health = own_health(run_of(tmp_path, [*SENT, *rows]).systems)
    assert health.times.tolist() == [1, 2, 3]
    np.testing.assert_equal(health.figures["cpu"], [10, math.nan, 30])
    assert set(health.figures) == {"cpu", "loop_lag"}


def test_in_a_long_run_no_peak_is_lost(tmp_path):
    count = 3 * POINTS
    lags = np.zeros(count)
    lags[1234] = 0.7
    rows = [
        System(float(t), "vm", t % 2 * 100.0, loop_lag=float(lag)) for t, lag in enumerate(lags)
    ]
    health = own_health(run_of(tmp_path, [*SENT, *rows]).systems)
    assert len(health.times) == POINTS
    assert health.figures["loop_lag"].max() == 0.7
    assert health.times[health.figures["loop_lag"].argmax()] == pytest.approx(1234, abs=3)
    assert health.figures["cpu"].mean() == pytest.approx(50, abs=1)


def test_a_run_whose_generator_was_not_sampled_gets_no_graph(tmp_path):
    assert generator(run_of(tmp_path, [*SENT, System(1.0, "edge", host_cpu=5.0)])) is None


def test_it_is_a_picture(tmp_path):
    rows = [*SENT, *QUIET, BLOCKED]
    path = believable.write(tmp_path / "run.jsonl", [believable.header(), *believable.finish(rows)])
    assert tmp_path / "generator.png" in plots.plot_log(path, tmp_path)
    assert_is_a_picture(tmp_path / "generator.png", panels=3)
