"""The line of the target."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncload.plan.shapes import shape_from
from asyncload.records.record import Level, Record
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots import series as plot_series
from asyncload.report.plots import target as plot_target
from asyncload.report.plots.bins import Bins
from asyncload.report.plots.data import Run
from asyncload.report.plots.target import Load
from tests.report import believable_log as believable
from tests.report.records import request, run_of

BURST = {"kind": "periodic_burst", "period": "20s", "min": 2, "peak": 20}


NO_SAMPLES = pl.DataFrame(
    schema={"t": pl.Float64, "scenario": pl.Categorical, "target": pl.Float64}
)


def load(shape: object, model: str = "open", duration: object = 60.0) -> dict:
    return {"model": model, "shape": shape, "duration": duration}


def load_of(spec: dict) -> Load:
    return plot_target.loads(believable.header(loads={"web": spec}))["web"]


def samples(spec: dict, until: int, *, stop: float = 60.0) -> list[Record]:
    """Level records as a run writes them, with the load stopped at ``stop``."""
    times = np.arange(until) + 0.0004
    targets = np.where(times < stop, load_of(spec).level(times), 0.0)
    rows = zip(times.tolist(), targets.tolist(), strict=True)
    return [Level(t, "web", target, 0, 0, 0) for t, target in rows]


def target(run: Run) -> tuple[np.ndarray, np.ndarray]:
    return plot_series.target(run.parts[0], Bins.over(run.span), beside_counts=False)


def test_a_burst_looks_like_the_bell_it_is_and_ends_in_a_vertical_line(tmp_path):
    spec = load(BURST)
    run = run_of(tmp_path, [request(0, 70), *samples(spec, 70)], loads={"web": spec})
    times, levels = target(run)
    shape = shape_from(BURST, horizon=None)
    np.testing.assert_allclose(levels[:-2], shape.level(times[:-2]))
    assert len(times) > 1000
    assert levels.max() == pytest.approx(20, abs=0.01)
    assert times[-2:].tolist() == [60, 60]
    assert levels[-2:].tolist() == [pytest.approx(2), 0]


def test_the_users_of_a_closed_scenario_are_whole_and_half_a_user_is_one(tmp_path):
    spec = load({"kind": "linear", "start": 0, "end": 3, "over": 60}, "closed")
    run = run_of(tmp_path, [request(0, 60), *samples(spec, 60)], loads={"web": spec})
    times, levels = target(run)
    assert set(levels.tolist()) == {0, 1, 2, 3}
    steps = times[1:-1][np.diff(levels[:-1]) > 0]
    assert steps == pytest.approx([10, 30, 50], abs=0.05)


@settings(deadline=None, max_examples=20)
@given(
    width=st.sampled_from([2.0, 5.0, 15.0]),
    shape=st.sampled_from([
        BURST,
        {"kind": "ramp", "max": 8, "step": 2, "every": 7},
        {"kind": "spawn", "users": 30, "spawn_rate": 2},
    ]),
)  # fmt: skip
def test_beside_counts_in_wide_bins_the_target_is_what_they_would_count(width, shape):
    one = load_of(load(shape))
    times, levels = plot_target.from_shapes([one], NO_SAMPLES, until=80, width=width)
    fine = np.linspace(0, 60, 600_001)
    rate = one.level(fine)
    for number in range(1, int(60 / width) - 1):
        middle = (number + 0.5) * width
        inside = (fine >= middle - width / 2) & (fine < middle + width / 2)
        got = np.interp(middle, times, levels)
        assert got == pytest.approx(rate[inside].mean(), abs=0.05)


@pytest.mark.parametrize("model", ["open", "closed"])
def test_where_the_points_are_far_apart_they_are_means(model):
    one = load_of(load(BURST, model, 100_000.0))
    times, levels = plot_target.from_shapes([one], NO_SAMPLES, until=1e6, width=1.0)
    fine = one.level(np.linspace(0, 20, 200_001)).mean()
    assert levels[1:-2].mean() == pytest.approx(fine, rel=0.02)
    assert times[-1] == 100_000


def test_a_load_that_was_stopped_has_no_target_after_that(tmp_path):
    spec = load(BURST)
    run = run_of(tmp_path, [request(0, 50), *samples(spec, 50, stop=33.3)], loads={"web": spec})
    times, levels = target(run)
    assert times[-1] == pytest.approx(34, abs=0.01)
    assert levels[-1] == 0
    assert levels.max() == pytest.approx(20, abs=0.01)


def test_samples_that_tell_of_another_target_are_believed(tmp_path):
    spec = load({"kind": "constant", "level": 5})
    rows = [Level(t + 0.001, "web", 5.0 if t < 20 else 7.0, 0, 0, 0) for t in range(40)]
    run = run_of(tmp_path, [request(0, 40), *rows], loads={"web": spec})
    _, levels = target(run)
    assert set(levels.tolist()) == {5, 7}


@pytest.mark.parametrize(
    "spec",
    [
        {"model": "open"},
        load("no.such:shape"),
        load({"kind": "os:getcwd"}),
        load({"kind": ["constant"]}),
        load({"kind": "constant", "level": -3}),
        load({"kind": "constant", "level": 3}, duration=None),
        load(BURST, duration="60 s"),
    ],
)
def test_the_samples_are_drawn_where_the_header_does_not_tell_the_shape(spec, tmp_path):
    run = run_of(
        tmp_path,
        [request(0, 5), *(Level(t + 0.001, "web", t % 3 + 1, 0, 0, 0) for t in range(4))],
        loads={"web": spec},
    )
    _, levels = target(run)
    assert levels.tolist() == [1, 2, 3, 1]


def test_a_log_runs_no_code_that_it_names(tmp_path):
    made = tmp_path / "made"
    spec = load({"kind": "os:mkdir", "path": str(made)})
    plots.throughput(
        run_of(tmp_path, [request(0, 5), Level(1, "web", 1, 0, 0, 0)], loads={"web": spec})
    )
    assert not made.exists()


def test_sampled_targets_end_in_a_vertical_line_too():
    times, levels = plot_target.from_samples(np.arange(6.0), np.array([1.0, 0, 3, 4, 0, 0]))
    assert times.tolist() == [0, 1, 2, 3, 4, 4]
    assert levels.tolist() == [1, 0, 3, 4, 4, 0]


def test_loads_of_many_scenarios_are_added_up_each_to_its_own_end(tmp_path):
    loads = {
        f"web {n}": load({"kind": "constant", "level": n + 1}, duration=10.0 * (n + 1))
        for n in range(7)
    }
    rows = [request(0, 80, scenario=name) for name in loads]
    run = run_of(tmp_path, rows, loads=loads)
    times, levels = target(run)
    assert levels[0] == sum(range(1, 8))
    assert np.interp([15, 65], times, levels).tolist() == [27, 7]
    assert (times[-1], levels[-1]) == (70, 0)
