"""What happened over time, and how it is spread."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncload.records.record import Level
from asyncload.report.plots import percentiles as plot_curves
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots import series as plot_series
from asyncload.report.plots.bins import MAX_BINS, Bins
from tests.report.records import job, request, run_of, words

pytestmark = pytest.mark.slow

once_a_file = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(span=st.floats(0, 1e8), most=st.integers(1, MAX_BINS))
def test_bins_cover_the_whole_run_and_are_few(span, most):
    bins = Bins.over(span, most)
    assert 1 <= bins.count <= most
    assert bins.width >= 1
    assert bins.edges[-1] >= span
    assert bins.edges[-1] - bins.width <= span


@given(times=st.lists(st.floats(-10, 1e5)), span=st.floats(0, 1e4))
def test_no_event_is_lost_in_the_bins(times, span):
    assert Bins.over(span).counts(np.array(times)).sum() == len(times)


@once_a_file
@given(data=st.data())
def test_throughput_adds_up_to_what_happened(data, tmp_path):
    times = st.floats(0, 400)
    sent = data.draw(
        st.lists(st.tuples(times, st.sampled_from(["ok", "failed", "timeout", "dropped"])))
    )
    done = data.draw(
        st.lists(
            st.tuples(times, st.sampled_from(["SUCCESS", "PARTIAL", "FAILED", "LOST"])), min_size=1
        )
    )
    run = run_of(tmp_path, [
        *(request(due, due + 1, outcome) for due, outcome in sent),
        *(request(due, due + 0.1, name="send", scenario="jobs") for due, _ in done),
        *(job(due, None if status == "LOST" else due + 2, status, t=due + 2) for due, status in done),
    ])  # fmt: skip
    outcomes = [outcome for _, outcome in sent]
    statuses = [status for _, status in done]
    for part in run.parts:
        counts = plot_series.throughput(part, run)
        of_jobs = part.scenario == "jobs"
        assert counts.arrivals.sum() == len(done if of_jobs else sent)
        good = sum(s in {"SUCCESS", "PARTIAL"} for s in statuses)
        assert counts.completed.sum() == (good if of_jobs else outcomes.count("ok"))
        bad = outcomes.count("failed") + outcomes.count("timeout")
        assert counts.failed.sum() == (len(done) - good if of_jobs else bad)
        assert counts.dropped.sum() == (0 if of_jobs else outcomes.count("dropped"))


def test_many_scenarios_share_one_panel_that_counts_each_by_its_own_rule(tmp_path):
    rows = [request(i, i + 0.5, scenario=f"web {i}") for i in range(8)]
    rows += [
        request(1, 1.1, scenario="jobs"),
        job(1, 5),
        job(2, None, "TIMED_OUT", t=9, scenario="quiet"),
    ]
    (part,) = (run := run_of(tmp_path, rows)).parts
    counts = plot_series.throughput(part, run)
    # "quiet" has no requests, so its job is its own arrival; the request of "jobs" only sends.
    assert counts.arrivals.sum() == 8 + 1 + 1
    assert counts.completed.sum() == 8 + 1
    assert counts.failed.sum() == 1
    assert "all scenarios together" in words(plots.throughput(run))


def test_arrivals_count_when_due_and_completions_when_known(tmp_path):
    run = run_of(tmp_path, [request(0.5, 3.5), request(1.5, 1.6), request(3.9, 4)])
    counts = plot_series.throughput(run.parts[0], run)
    assert counts.arrivals.tolist() == [1, 1, 0, 1]
    assert counts.completed.tolist() == [0, 1, 0, 2]


def even_load(until, rate, *, latency=0.05, stopped=False, drained=()):
    """A load that ends at ``until``, as planned or because it was stopped, and what is open then."""
    rows = [request(i / rate, i / rate + latency) for i in range(round(until * rate))]
    rows += [Level(float(t), "web", rate, 1, 1, 0) for t in range(int(until) + 1)]
    rows += [Level(until, "web", rate, 1, 1, 0, ended=True)] if stopped else []
    shape = {"kind": "constant", "level": rate}
    duration = 60 if stopped else until
    loads = {"web": {"model": "open", "duration": duration, "shape": shape}}
    return [*rows, *(request(0.0, end) for end in drained)], loads


@pytest.mark.parametrize("stopped", [False, True], ids=["planned", "stopped"])
@pytest.mark.parametrize("until", [10.05, 10.3, 10.5, 10.7, 10.95])
@pytest.mark.parametrize("drained", [(), (17.4,)], ids=["at once", "with a drain"])
def test_a_load_that_ends_within_a_second_does_not_end_in_a_collapse(
    tmp_path, until, stopped, drained
):
    rows, loads = even_load(until, 100, stopped=stopped, drained=drained)
    run = run_of(tmp_path, rows, loads=loads)
    found = plot_series.throughput(run.parts[0], run)
    times, rates = found.coming.centres, found.arrivals / found.coming.widths
    assert rates[times < until] == pytest.approx(100, rel=0.03)
    assert not rates[times > until].any()
    assert times[times < until][-1] < until
    assert found.coming.widths[times < until].sum() == pytest.approx(until)
    answered = found.completed / found.going.widths
    loaded = answered[1 : np.searchsorted(found.going.centres, until)]
    assert loaded == pytest.approx(100, rel=0.08)
    assert answered.sum() > 0


def test_the_last_point_of_a_ramp_that_was_stopped_lies_on_it(tmp_path):
    due = np.sqrt(np.arange(1, 530) * 2 / 10)  # 10 t²/2 arrivals until t
    rows = [request(at, at + 0.02) for at in due.tolist()]
    rows += [Level(float(due[-1]), "web", 100, 1, 1, 0, ended=True)]
    run = run_of(tmp_path, rows)
    found = plot_series.throughput(run.parts[0], run)
    for times, counts in ((found.coming, found.arrivals), (found.going, found.completed)):
        assert counts[-1] / times.widths[-1] == pytest.approx(10 * times.centres[-1], rel=0.03)


@given(
    span=st.floats(0, 1e6), cut=st.floats(0, 1e6), times=st.lists(st.floats(-1, 1e6), max_size=50)
)
def test_pieces_lose_no_event_and_none_is_an_instant(span, cut, times):
    bins = Bins.over(span)
    pieces = bins.pieces(cut=min(cut, span), end=span)
    assert pieces.counts(np.array(times)).sum() == len(times)
    assert pieces.edges[0] == 0
    assert (pieces.widths >= bins.width / 2).all()
    assert (pieces.widths <= 2 * bins.width).all()
    if span > bins.width / 2:
        assert pieces.edges[-1] == span


def test_latency_percentiles_equal_numpy_on_the_raw_values_of_each_bin(tmp_path):
    rng = np.random.default_rng(5)
    due = rng.uniform(0, 100, 3000)
    latency = rng.lognormal(-2, 1, 3000)
    rows = [request(d, d + v) for d, v in zip(due.tolist(), latency.tolist(), strict=True)]
    rows += [request(50.5, 80.5, "timeout"), request(50.6, 61.6, "failed")]
    rows += [request(50.7, 130, "dropped")]
    run = run_of(tmp_path, rows)
    found = plot_series.request_latency(run.parts[0], run.span)
    answered = found.every
    assert (answered.bins.width, answered.bins.count) == (1, 130)
    for number in range(100):
        mine = latency[(due >= number) & (due < number + 1)]
        if number == 50:  # what failed, timed out or was dropped takes longer than any
            mine = np.append(mine, [np.inf] * 3)
        wanted = np.percentile(mine, [50, 95, 99], method="inverted_cdf")
        got = [answered.p50[number], answered.p95[number], answered.p99[number]]
        np.testing.assert_allclose(got, wanted, rtol=1e-9)
    assert np.isnan(answered.p50[100:]).all()
    assert found.failed.due.tolist() == [50.5, 50.6]
    assert found.failed.latency == pytest.approx([30, 11])


def test_many_failures_are_shown_as_the_medians_of_bins(tmp_path):
    rows = [request(i / 100, i / 100 + 1 + i % 3, "failed") for i in range(3000)]
    run = run_of(tmp_path, rows)
    failed = plot_series.request_latency(run.parts[0], run.span).failed
    assert len(failed.due) == 30
    assert failed.latency == pytest.approx(2)


@given(
    times=st.lists(st.floats(0, 900), min_size=1, max_size=400),
    span=st.floats(900, 1000),
)
def test_bins_for_percentiles_are_filled_or_as_wide_as_may_be(times, span):
    times = np.array(times)
    bins = Bins.filled(span, times)
    counts = bins.counts(times)
    assert 12 <= bins.count <= MAX_BINS
    if np.median(counts[counts > 0]) < 20:
        assert bins.width == 60  # 120 s would leave 9 bins or less
    if bins.width > 5:  # the narrowest that 240 bins allow
        narrower = Bins(bins.width / 2, bins.count * 2).counts(times)
        assert np.median(narrower[narrower > 0]) < 20


def test_few_values_are_shown_one_by_one(tmp_path):
    few = [request(i, i + 0.5) for i in range(59)]
    run = run_of(tmp_path, few)
    points = plot_series.request_latency(run.parts[0], run.span).every
    assert points.due.tolist() == list(range(59))
    assert points.latency == pytest.approx(0.5)
    assert "each request" in words(figure := plots.request_latency(run))
    assert "p99" not in words(figure)
    run = run_of(tmp_path, [*few, request(59, 59.5)])
    assert "p99" in words(figure := plots.request_latency(run))
    assert "each request" not in words(figure)
    few = [job(i, i + 0.5) for i in range(20)]
    assert "each job" in words(plots.job_latency(run_of(tmp_path, few)))
    assert "each job" not in words(plots.job_latency(run_of(tmp_path, few * 3)))


stamps = st.none() | st.floats(-5, 30)


@once_a_file
@given(
    rows=st.lists(
        st.tuples(st.floats(0, 300), st.floats(0, 20), stamps, stamps, stamps, stamps), min_size=1
    )
)
def test_the_parts_of_job_latency_add_up_to_it_whatever_stamps_there_are(rows, tmp_path):
    records = [
        job(due, due + total, start=due + (start or 0), **{
            name: None if at is None else due + at
            for name, at in (("accepted", accepted), ("started", started), ("finished", finished))
        })
        for due, total, start, accepted, started, finished in rows
    ]  # fmt: skip
    run = run_of(tmp_path, records)
    found = plot_series.job_latency(run.parts[0], run.span)
    parts = sum(found.segments.values(), np.zeros(found.bins.count))
    filled = ~np.isnan(found.mean)
    np.testing.assert_allclose(parts[filled], found.mean[filled], atol=1e-9)
    for values in found.segments.values():
        assert (values[filled] >= -1e-9).all()
    due = np.array([row[0] for row in rows])
    total = np.array([job.observed for job in records]) - due
    index = found.bins.index(due)
    for number in np.unique(index):
        assert found.mean[number] == pytest.approx(total[index == number].mean())
    assert found.whole.latency == pytest.approx(total)


def test_job_latency_is_split_at_its_stamps(tmp_path):
    whole = job(1, 20, start=2, accepted=4, started=8, finished=16)
    run = run_of(tmp_path, [whole])
    found = plot_series.job_latency(run.parts[0], run.span)
    assert {name: values[1] for name, values in found.segments.items()} == {
        "lateness": 1, "submit": 2, "queue wait": 4, "processing": 8, "notification": 4,
    }  # fmt: skip


def test_time_beside_a_missing_stamp_is_not_put_on_any_part(tmp_path):
    run = run_of(tmp_path, [job(1, 20, start=2, accepted=4, finished=16)])
    found = plot_series.job_latency(run.parts[0], run.span)
    assert {name: values[1] for name, values in found.segments.items()} == {
        "lateness": 1, "submit": 2, plot_series.UNSPLIT: 12, "notification": 4,
    }  # fmt: skip


def test_jobs_that_did_not_complete_are_counted_beside_the_latencies(tmp_path):
    rows = [
        job(0, 5),
        job(1, 3, "FAILED"),
        job(2, None, "LOST", t=50),
        job(2.5, None, "TIMED_OUT", t=9),
    ]
    run = run_of(tmp_path, rows)
    found = plot_series.job_latency(run.parts[0], run.span)
    assert found.mean[0] == 5
    assert np.isnan(found.mean[1:]).all()
    assert found.unfinished.tolist() == [1, 2, 2.5]
    assert "not completed (3)" in words(plots.job_latency(run))


@given(values=st.lists(st.floats(0, 1e4), min_size=1, max_size=300))
def test_the_percentile_curve_is_numpys_inverted_distribution(values):
    x, y = plot_curves.percentile_curve(np.array(values))
    assert (x[0], y[0]) == (1, min(values))
    assert (x[-1], y[-1]) == (len(values), max(values))
    assert (np.diff(y) >= 0).all()
    share = 1 - 1 / x[:-1]
    below = np.quantile(values, np.clip(share - 1e-7, 0, 1), method="inverted_cdf")
    above = np.quantile(values, np.clip(share + 1e-7, 0, 1), method="inverted_cdf")
    assert ((below <= y[:-1]) & (y[:-1] <= above)).all()


def test_the_axis_of_percentiles_ends_where_the_values_do(tmp_path):
    rows = [request(i / 10, i / 10 + 0.1 + i % 7) for i in range(1500)]
    (ax,) = plots.latency_distribution(run_of(tmp_path, rows)).axes
    assert 1500 < ax.get_xlim()[1] < 1600
    texts = [label.get_text() for label in ax.get_xticklabels()]
    assert texts[:3] == ["0 %", "50 %", "90 %"]
    assert "99.9 %" in texts
    assert "99.95 %" not in texts


def test_names_of_which_nothing_was_answered_well_are_told_in_the_legend(tmp_path):
    rows = [request(i / 10, i / 10 + 0.1) for i in range(30)]
    rows += [request(i / 10, i / 10 + 0.1, "failed", name="POST /broken") for i in range(12)]
    rows += [request(0.5, 9, "timeout", name="slow"), job(0, None, "LOST", t=9)]
    rows += [request(1, 1, "dropped", name="(dropped)", user=-1)]
    run = run_of(tmp_path, rows)
    assert plot_curves.unanswered(run) == [("POST /broken", 12), ("jobs of jobs", 1), ("slow", 1)]
    legend = words(plots.latency_distribution(run))
    assert "none answered well: POST /broken (12), jobs of jobs (1), slow (1)" in legend
    fine = run_of(tmp_path, [request(0, 1), request(0, 1, "failed")])
    assert "none answered well" not in words(plots.latency_distribution(fine))


def test_a_single_slow_request_among_many_is_drawn(tmp_path):
    rows = [request(i / 100, i / 100 + 0.02) for i in range(1000)] + [request(5.5, 10.5)]
    found = plot_series.request_latency((run := run_of(tmp_path, rows)).parts[0], run.span).every
    assert found.highest[5] == pytest.approx(5)
    assert np.delete(found.highest[:10], 5) == pytest.approx(0.02)
    figure = plots.request_latency(run)
    (ax,) = figure.axes
    assert ax.get_ylim()[1] > 5
    assert "highest" in words(figure)


def test_dropped_arrivals_are_no_name_among_the_requests(tmp_path):
    dropped = [request(i, i, "dropped", name="(dropped)", user=-1) for i in range(9)]
    run = run_of(tmp_path, [request(i, i + 0.1) for i in range(9)] + dropped)
    assert [item.label for item in plot_curves.distributions(run)] == ["GET /"]
    for _, plot in plots.PLOTS:
        figure = plot(run)
        assert figure is None or "(dropped)" not in words(figure)
    assert plot_series.throughput(run.parts[0], run).arrivals.sum() == 18


def test_there_is_one_curve_for_each_name_and_one_for_jobs(tmp_path):
    rows = [request(i, i + 0.1, name=f"n{i % 3}", start=i) for i in range(30)]
    rows += [request(1, 9, "failed", name="n0"), job(0, 5), job(1, 9), job(1, 2, "FAILED")]
    found = {item.label: item for item in plot_curves.distributions(run_of(tmp_path, rows))}
    assert {label: (item.count, item.never) for label, item in found.items()} == {
        "n0": (11, 1),
        "n1": (10, 0),
        "n2": (10, 0),
        "jobs": (3, 0),
    }
    assert found["jobs"].latency[1][-1] == 8
    assert found["n0"].service is None


def test_service_time_is_drawn_where_the_generator_was_late(tmp_path):
    run = run_of(tmp_path, [request(i, i + 2, start=i + 1.5) for i in range(10)])
    (found,) = plot_curves.distributions(run)
    assert found.latency[1] == pytest.approx(2)
    assert found.service[1] == pytest.approx(0.5)
    assert "service time, from start" in words(plots.latency_distribution(run))


def test_the_least_busy_names_share_a_curve_when_there_are_many(tmp_path):
    rows = [request(i, i + 1, name=f"n{number}") for number in range(9) for i in range(20 - number)]
    found = plot_curves.distributions(run_of(tmp_path, rows))
    assert [(item.label, item.count) for item in found] == [
        ("n0", 20), ("n1", 19), ("n2", 18), ("n3", 17), ("n4", 16), ("4 others", 15 + 14 + 13 + 12),
    ]  # fmt: skip


def test_the_same_name_in_two_scenarios_is_two_curves(tmp_path):
    rows = [request(0, 1), request(0, 2, scenario="b"), request(0, 2, scenario="b", name="own")]
    labels = {item.label for item in plot_curves.distributions(run_of(tmp_path, rows))}
    assert labels == {"web: GET /", "b: GET /", "own"}


def test_levels_are_the_mean_target_and_the_highest_backlog_of_a_bin(tmp_path):
    rows = [Level(t, "jobs", t, 0, 10 - t, 3 * t) for t in range(1, 7)]
    run = run_of(tmp_path, [job(0, 6), *rows])
    found = plot_series.levels(run.parts[0], Bins(3, 3))
    assert found.times.tolist() == [1.5, 4, 6]
    assert found.target.tolist() == [1.5, 4, 6]
    assert found.in_flight.tolist() == [9, 7, 4]
    assert found.backlog.tolist() == [6, 15, 18]


def test_a_killed_run_with_a_backlog_is_known_to_be_of_jobs(tmp_path):
    run = run_of(tmp_path, [request(0, 0.1), Level(1, "web", 1, 1, 1, 1)])
    assert run.parts[0].has_jobs
    assert plot_series.throughput(run.parts[0], run).completed.sum() == 0


def test_bins_of_a_column_with_nothing_in_it_are_empty():
    bins = Bins.over(3)
    assert bins.counts(pl.Series([], dtype=pl.Float64).to_numpy()).tolist() == [0, 0, 0]
    assert np.isnan(bins.quantiles(np.zeros(0), np.zeros(0), (0.5,))[0]).all()
