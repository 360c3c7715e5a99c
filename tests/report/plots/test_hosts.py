"""Graphs of hosts, and the numbers they are drawn from."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.errors import LogError
from asyncload.records.columns import read_columns
from asyncload.records.record import Level, Note, SummaryRecord, System
from asyncload.report.plots import data as plot_run
from asyncload.report.plots import host_series as plot_hosts
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots.host_series import POINTS, panels
from asyncload.report.plots.hosts import system
from tests.report import believable_log as believable
from tests.report.plots.test_run_plots import assert_is_a_picture
from tests.report.records import request, run_of, words

pytestmark = pytest.mark.slow

SENT = [request(0, 1), request(1, 20)]


def lines(path, rows):
    """Every line by figure, host and what it is."""
    run = run_of(path, [*SENT, *rows])
    return {
        (panel.figure, panel.metric, line.host, line.what): line
        for panel in panels(run.systems)
        for line in panel.lines
    }


def monitored(path, rows):
    """A run of `asyncload monitor`: no request, no level."""
    header = believable.header(name="edge", loads={})
    return believable.write(path / "run.jsonl", [header, *rows, SummaryRecord(t=99.0, summary={})])


# -- numbers -----------------------------------------------------------------------------------


def test_each_figure_of_each_host_is_a_line_and_a_host_that_does_not_tell_it_has_none(tmp_path):
    rows = [
        System(1.0, "vm", 22.0, 5, host_cpu=11.0, loop_lag=0.1, host_memory=1, memory_total=4),
        System(1.1, "edge", host_cpu=50.0, gpu=[{"id": 0, "utilisation": 9.0}, {"id": 3.0,
               "memory": 6.0, "memory_total": 24.0}]),
        System(1.2, "node", network_in=5.0, network_out=6.0, metrics={"queue": 7.0}),
    ]  # fmt: skip
    found = {key: line.values.tolist() for key, line in lines(tmp_path, rows).items()}
    assert found == {
        ("cpu", None, "vm", ""): [11.0],
        ("cpu", None, "vm", "process"): [22.0],
        ("cpu", None, "edge", ""): [50.0],
        ("memory", None, "vm", ""): [25.0],
        ("gpu", None, "edge", "GPU 0"): [9.0],
        ("gpu memory", None, "edge", "GPU 3"): [25.0],
        ("network", None, "node", "in"): [5.0],
        ("network", None, "node", "out"): [6.0],
        ("metric", "queue", "node", ""): [7.0],
    }


def test_memory_without_its_total_is_no_share(tmp_path):
    rows = [System(1.0, "a", host_memory=5), System(1.0, "b", host_memory=5, memory_total=0)]
    assert lines(tmp_path, rows) == {}


def test_a_time_without_samples_is_a_gap(tmp_path):
    rows = [System(float(t), "edge", host_cpu=float(t)) for t in (1, 2, 3, 9, 10)]
    line = lines(tmp_path, rows)["cpu", None, "edge", ""]
    assert line.times.tolist() == [1, 2, 3, 3, 9, 10]
    np.testing.assert_equal(line.values, [1, 2, 3, math.nan, 9, 10])


def test_a_source_that_is_sampled_seldom_has_no_gaps(tmp_path):
    rows = [System(10.0 * t, "edge", host_cpu=1.0) for t in range(20)]
    assert np.isfinite(lines(tmp_path, rows)["cpu", None, "edge", ""].values).all()


@settings(deadline=None)
@given(count=st.integers(POINTS + 1, 4 * POINTS), seed=st.integers(0, 99))
def test_many_samples_become_few_points_that_keep_the_mean_and_the_highest(count, seed):
    values = np.random.default_rng(seed).uniform(0, 100, count)
    times, mean, highest = plot_hosts._points(np.arange(count, dtype=float), values)
    each = math.ceil(count / POINTS)
    assert len(times) == len(mean) == len(highest) == math.ceil(count / each) <= POINTS
    assert mean[0] == pytest.approx(values[:each].mean())
    assert highest.max() == values.max()
    assert (mean <= highest + 1e-9).all()


# -- pictures ----------------------------------------------------------------------------------


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_throughput_and_every_figure_share_one_axis_of_time(tmp_path, rng):
    rows = [
        *believable.generator(rng), *believable.system(rng, gpus=2, metrics={"queue": 5.0}),
        Note(31.0, "warning", "w"),
    ]  # fmt: skip
    figure = system(run_of(tmp_path, [request(t, t + 0.5) for t in range(60)] + rows))
    assert [ax.get_ylabel() for ax in figure.axes] == [
        "per second", "CPU (%)", "memory (%)", "GPU (%)", "GPU memory (%)", "network (MB/s)", "queue",
    ]  # fmt: skip
    assert {ax.get_xlim() for ax in figure.axes} == {(0, 60)}
    text = words(figure)
    for label in ("generator (load-1)", "generator's process, of one core", "edge GPU 1",
                  "edge, of 16.0 GB", "edge in", "edge out"):  # fmt: skip
        assert label in text
    assert text.count("warning noted") == 1, "one legend says what the lines of notes are"


def test_a_run_gets_the_graph_and_it_is_a_picture(tmp_path, rng):
    rows = [request(t, t + 0.5) for t in range(60)] + believable.system(rng, silent=(20, 30))
    path = believable.write(tmp_path / "run.jsonl", [believable.header(), *believable.finish(rows)])
    written = plots.plot_log(path, tmp_path)
    assert tmp_path / "system.png" in written
    assert_is_a_picture(tmp_path / "system.png", panels=5)


def test_a_run_without_samples_gets_no_graph_of_hosts(tmp_path):
    assert system(run_of(tmp_path, SENT)) is None


def test_more_lines_than_can_be_told_apart_are_the_highest_ones(tmp_path, rng):
    text = words(system(run_of(tmp_path, SENT + believable.system(rng, 20, gpus=10))))
    assert "and 2 lower" in text


def test_names_that_no_font_or_formula_can_show_do_no_harm(tmp_path):
    rows = [
        System(float(t), name, host_cpu=5.0, metrics={name: -1.0, "日本": 0.0})
        for name in ("$x^{$", "日本語", "a\nb\x00", "", "long " * 40)
        for t in range(3)
    ]
    system(run_of(tmp_path, SENT + rows)).savefig(tmp_path / "x.png")


def test_a_series_below_0_is_seen(tmp_path):
    rows = [System(float(t), "a", metrics={"drift": -5.0}) for t in range(5)]
    figure = system(run_of(tmp_path, SENT + rows))
    assert figure.axes[-1].get_ylim()[0] < -5


# -- logs of `asyncload monitor` ---------------------------------------------------------------


def test_a_log_of_monitor_gets_graphs_named_as_groundlights(tmp_path, rng):
    path = monitored(tmp_path, believable.system(rng, gpus=2))
    written = plots.plot_log(path, tmp_path / "plots")
    assert [picture.name for picture in written] == [
        "cpu_monitoring.png", "gpu_0_monitoring.png", "gpu_1_monitoring.png",
        "network_monitoring.png",
    ]  # fmt: skip
    for picture in written:
        assert_is_a_picture(picture, panels=1 if "network" in picture.name else 2)


def test_its_graphs_name_the_host_once_and_no_seed(tmp_path, rng):
    run = plot_run.run_of(read_columns(monitored(tmp_path, believable.system(rng, 20))))
    figures = dict(plots.monitoring(run))
    text = words(figures["cpu_monitoring"])
    assert "edge: CPU and memory" in text
    assert "all cores" in text
    assert "seed" not in text
    assert "edge: GPU 0" in words(figures["gpu_0_monitoring"])


def test_a_long_watch_shows_the_highest_beside_the_mean(tmp_path, rng):
    run = plot_run.run_of(read_columns(monitored(tmp_path, believable.system(rng, 900))))
    assert "up to the highest sample" in words(dict(plots.monitoring(run))["cpu_monitoring"])


def test_one_sample_is_enough(tmp_path):
    path = monitored(tmp_path, [System(1.0, "edge", host_cpu=5.0)])
    assert [picture.name for picture in plots.plot_log(path, tmp_path)] == ["cpu_monitoring.png"]


def test_samples_without_any_figure_give_no_graph(tmp_path):
    assert plots.plot_log(monitored(tmp_path, [System(1.0, "edge")]), tmp_path) == []


def test_graphs_of_a_run_and_graphs_of_a_watch_leave_each_other_alone(tmp_path, rng):
    for name in ("throughput.png", "gpu_7_monitoring.svg", "my_monitoring.png"):
        (tmp_path / name).write_text("older")
    plots.plot_log(monitored(tmp_path, believable.system(rng, 5, gpus=0)), tmp_path)
    names = {path.name for path in tmp_path.iterdir()} - {"run.jsonl"}
    assert names == {
        "throughput.png", "my_monitoring.png", "cpu_monitoring.png", "network_monitoring.png",
    }  # fmt: skip
    (tmp_path / "job_latency.png").write_text("older")
    plots.plot_log(believable.write(tmp_path / "other.jsonl", SENT), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert {"cpu_monitoring.png", "my_monitoring.png", "throughput.png"} <= names
    assert "job_latency.png" not in names


def test_a_run_in_which_nothing_was_sent_is_no_watch(tmp_path, rng):
    rows = [Level(1.0, "web", 1, 1, 1, 0), *believable.generator(rng, 5)]
    path = believable.write(tmp_path / "run.jsonl", [believable.header(), *rows])
    with pytest.raises(LogError, match="it holds no request and no job"):
        plots.plot_log(path, tmp_path / "plots")
