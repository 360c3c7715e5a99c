"""Latency in graphs is of every arrival, and what a run proves stands over each of them."""

import math

import msgspec
import numpy as np
import pytest

from asyncload.records.columns import read_columns
from asyncload.records.record import Level, SummaryRecord
from asyncload.report.plots import data as plot_run
from asyncload.report.plots import percentiles as plot_curves
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots import series as plot_series
from asyncload.report.plots.request_stages import request_stages, stages
from asyncload.stats.summary import SummaryFold
from tests.report import believable_log as believable
from tests.report.records import job, request, run_of, words

pytestmark = pytest.mark.slow


def every_other(outcome: str, number: int = 400) -> list:
    """Of each two requests, 20 a second, the second ends with ``outcome`` after 10 ms."""
    return [
        request(i / 20, i / 20 + (0.01 if i % 2 else 0.2), outcome if i % 2 else "ok")
        for i in range(number)
    ]


def with_warmup(run_folder, records, seconds):
    header = believable.header(scenarios={"web": "open"})
    header = msgspec.structs.replace(header, config=header.config | {"warmup": seconds})
    path = believable.write(run_folder / "run.jsonl", [header, *records])
    return plot_run.run_of(read_columns(path))


# --- latency over time --------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["failed", "timeout", "dropped"])
def test_a_percentile_among_what_did_not_end_well_is_never(tmp_path, outcome):
    run = run_of(tmp_path, every_other(outcome))
    found = plot_series.request_latency(run.parts[0], run.span).every
    filled = np.isfinite(found.p50)
    assert found.p50[filled] == pytest.approx(0.2)
    assert np.isinf(found.p95[filled]).all()
    assert np.isinf(found.p99[filled]).all()
    assert found.highest[filled] == pytest.approx(0.2)
    text = words(plots.request_latency(run))
    assert "never: failed, timed out or dropped" in text
    assert "highest that ended well" in text


def test_what_was_interrupted_is_in_no_percentile(tmp_path):
    run = run_of(tmp_path, every_other("interrupted"))
    found = plot_series.request_latency(run.parts[0], run.span).every
    assert not np.isinf(found.p99).any()
    assert "never" not in words(plots.request_latency(run))
    (curve,) = plot_curves.distributions(run)
    assert (curve.count, curve.never) == (200, 0)


def test_lines_that_are_never_lie_in_a_band_above_every_latency_in_order(tmp_path):
    figure = plots.request_latency(run_of(tmp_path, every_other("timeout")))
    (ax,) = figure.axes
    lines = {str(line.get_label()): line.get_ydata() for line in ax.get_lines()}
    p95, p99 = np.nanmax(lines["p95"]), np.nanmax(lines["p99"])
    assert 0.2 < p95 < p99 < ax.get_ylim()[1]
    assert max(ax.get_yticks()) < p95  # no tick gives what is never a number
    assert np.nanmax(lines["p50 (median)"]) == pytest.approx(0.2)


def test_a_run_in_which_nothing_ended_well_has_a_graph_all_the_same(tmp_path):
    rows = [request(i / 20, i / 20 + 0.1, "failed") for i in range(200)]
    assert "never" in words(plots.request_latency(run_of(tmp_path, rows)))


def test_the_p95_of_jobs_counts_those_that_were_given_up(tmp_path):
    rows = [job(i / 10, i / 10 + 1) for i in range(180)]
    rows += [job(i / 10, None, "LOST", t=i / 10 + 5) for i in range(0, 180, 10)]
    run = run_of(tmp_path, rows)
    assert "never: given up" in words(plots.job_latency(run))
    (curve,) = plot_curves.distributions(run)
    assert (curve.count, curve.never) == (198, 18)


def test_the_p95_of_jobs_is_of_the_bins_of_their_parts(tmp_path):
    rows = [job(i / 10, i / 10 + 2, t=i / 10 + 2) for i in range(600)]
    rows += [job(i / 10, None, "LOST", t=i / 10 + 5) for i in range(600)]
    run = run_of(tmp_path, rows)
    found = plot_series.job_latency(run.parts[0], run.span)
    assert found.whole.bins == found.bins


def test_where_arrivals_are_few_each_that_was_dropped_is_marked(tmp_path):
    rows = [request(i, i + 0.1, "ok" if i % 3 else "dropped") for i in range(30)]
    text = words(plots.request_latency(run_of(tmp_path, rows)))
    assert "dropped (10)" in text
    assert "each request" in text


# --- latency by percentile ----------------------------------------------------------------------


def test_the_curve_ends_where_latency_is_never(tmp_path):
    run = run_of(tmp_path, every_other("dropped", 1000))
    (found,) = plot_curves.distributions(run)
    assert (found.count, found.never, found.never_from) == (1000, 500, "p50")
    x, y = found.latency
    assert x[-1] == pytest.approx(2)
    assert np.isfinite(y).all()
    assert found.ok_latency[0][-1] == pytest.approx(500)
    text = words(plots.latency_distribution(run))
    assert "GET / (1,000, never from p50)" in text
    assert "ok latency" in text


def test_a_curve_of_infinite_values_alone_is_empty():
    x, y = plot_curves.percentile_curve(np.full(5, math.inf))
    assert (len(x), len(y)) == (0, 0)


def test_what_was_dropped_belongs_to_the_only_name_of_its_scenario(tmp_path):
    dropped = [request(i, i, "dropped", name="(dropped)", user=-1) for i in range(5)]
    fine = [request(i, i + 0.1) for i in range(95)]
    run = run_of(tmp_path, fine + dropped)
    (found,) = plot_curves.distributions(run)
    assert (found.label, found.count, found.never_from) == ("GET /", 100, "p95")
    assert plot_curves.nameless(run) == 0
    run = run_of(tmp_path, [*fine, request(0, 1, name="other"), *dropped])
    assert [one.never for one in plot_curves.distributions(run)] == [0, 0]
    assert "dropped, of no name: 5" in words(plots.latency_distribution(run))


# --- stages -------------------------------------------------------------------------------------


def test_stages_add_up_to_the_latency_of_what_ended_well(tmp_path):
    rng = np.random.default_rng(2)
    rows = []
    for i in range(600):
        due = i / 20
        steps = due + np.cumsum(rng.exponential(0.01, 6))
        begun, ready, start, sent, first, end = steps.tolist()
        rows.append(
            request(
                due, end, start=start, first_byte=first,
                begun=begun if i % 2 else None, ready=ready if i % 3 else None,
                sent=sent if i % 5 else None,
            )
        )  # fmt: skip
    rows.append(request(1, 99, "failed", start=2))
    run = run_of(tmp_path, rows)
    found = request_stages(run.parts[0], run.span)
    due = np.array([row.due for row in rows[:-1]])
    latency = np.array([row.end for row in rows[:-1]]) - due
    np.testing.assert_allclose(sum(found.means.values()), found.bins.means(due, latency))
    assert sum(found.shares.values()) == pytest.approx(1)


def test_a_time_that_is_left_out_is_that_of_its_neighbour(tmp_path):
    whole = request(0, 21, begun=1, ready=3, start=6, sent=10, first_byte=15)
    for row, wanted in (
        (whole, [1, 2, 3, 4, 5, 6]),
        (msgspec.structs.replace(whole, begun=None), [3, 0, 3, 4, 5, 6]),
        (msgspec.structs.replace(whole, ready=None), [1, 5, 0, 4, 5, 6]),
        (msgspec.structs.replace(whole, begun=None, ready=None, sent=None), [6, 0, 0, 0, 9, 6]),
    ):
        run = run_of(tmp_path, [row])
        found = request_stages(run.parts[0], run.span)
        assert [values[0] for values in found.means.values()] == wanted
        assert found.own[0] == 6


def test_a_stage_that_cannot_be_seen_has_no_entry(tmp_path):
    rows = [
        request(i / 10, i / 10 + 0.1, start=i / 10 + 0.04, first_byte=i / 10 + 0.1)
        for i in range(200)
    ]
    text = words(stages(run_of(tmp_path, rows)))
    assert "lateness (40.0 %)" in text
    assert "waiting (60.0 %)" in text
    assert "sending" not in text
    assert "p99 of lateness, preparation and queued" in text
    assert stages(run_of(tmp_path, [request(0, 1)])) is None  # a log that tells no stage


# --- warm-up and verdict ------------------------------------------------------------------------


def test_the_warm_up_is_shaded_over_time_and_left_out_of_distributions(tmp_path):
    rows = [request(i / 10, i / 10 + 0.1, first_byte=i / 10, start=i / 10) for i in range(200)]
    rows.append(Level(1, "web", 5, 5, 5, 0))
    run = with_warmup(tmp_path, rows, "5s")
    for plot in (plots.throughput, plots.request_latency, stages, plots.backlog):
        assert "warm-up, left out" in words(plot(run))
    (found,) = plot_curves.distributions(run)
    assert found.count == 150
    assert "warm-up of 5 s left out" in words(plots.latency_distribution(run))
    assert "warm-up" not in words(plots.throughput(with_warmup(tmp_path, rows, 0.0)))


def test_shares_of_stages_leave_out_the_warm_up(tmp_path):
    late = [0.09 if i < 50 else 0.0 for i in range(200)]
    rows = [
        request(i / 10, i / 10 + 0.1, start=i / 10 + late[i], first_byte=i / 10 + 0.1)
        for i in range(200)
    ]
    run = with_warmup(tmp_path, rows, "5s")
    found = request_stages(run.parts[0], run.span, run.warmup)
    assert found.shares["lateness"] == pytest.approx(0)
    assert found.means["lateness"][0] == pytest.approx(0.09)  # it is drawn all the same
    assert "lateness (< 0.1 %)" in words(stages(run))
    stopped = request_stages(run.parts[0], run.span, 60.0)  # before the warm-up was over
    assert sum(stopped.shares.values()) == pytest.approx(1)


def slow_start(jump: float = 10.0) -> list:
    latency = [2.0 if i < jump * 20 else 0.1 + 0.01 * (i % 3) for i in range(1000)]
    rows = [request(i / 20, i / 20 + latency[i]) for i in range(1000)]
    return sorted(rows, key=lambda row: row.end)


def test_where_mser_would_end_the_warm_up_is_a_line_unless_the_config_says_so(tmp_path):
    levels = [Level(float(t), "web", 20, 1, 1, 0) for t in range(50)]
    run = run_of(tmp_path, [*slow_start(), *levels])
    assert run.parts[0].settles == pytest.approx(12, abs=1)
    assert "warm-up ends by MSER-5" in words(plots.request_latency(run))
    given = with_warmup(tmp_path, [*slow_start(), *levels], 12.0)
    assert "MSER-5" not in words(plots.request_latency(given))


def test_a_cut_that_changes_next_to_nothing_is_no_warm_up(tmp_path):
    # 2 % slower for most of the run: the cut is large, and not worth one.
    latency = [0.102 if i < 800 else 0.1 for i in range(1000)]
    rows = [request(i / 20, i / 20 + latency[i]) for i in range(1000)]
    levels = [Level(float(t), "web", 20, 1, 1, 0) for t in range(50)]
    rows = [msgspec.structs.replace(row, start=row.due) for row in rows]
    run = run_of(tmp_path, [*rows, *levels])
    fold = SummaryFold()
    for row in sorted([*rows, *levels], key=lambda row: row.t):
        fold.write(row)
    advice = fold.summary().warm_ups["web"]
    assert advice.share > plot_run.NOTABLE
    assert not advice.notable
    assert run.parts[0].settles is None
    assert "MSER-5" not in words(plots.request_latency(run))


def test_a_load_that_is_not_constant_has_no_warm_up_by_mser(tmp_path):
    levels = [Level(float(t), "web", t, 1, 1, 0) for t in range(50)]
    assert run_of(tmp_path, [*slow_start(), *levels]).parts[0].settles is None


def test_the_warm_up_is_where_the_summary_has_it(tmp_path):
    rows = [*slow_start(), *(Level(float(t), "web", 20, 1, 1, 0) for t in range(50))]
    rows = [msgspec.structs.replace(r, start=r.due) if hasattr(r, "due") else r for r in rows]
    fold = SummaryFold()
    for row in sorted(rows, key=lambda row: row.t):
        fold.write(row)
    wanted = fold.summary().warm_ups["web"].until
    assert run_of(tmp_path, rows).parts[0].settles == pytest.approx(wanted, abs=1)


def judged(tmp_path, state, *codes):
    reasons = [{"code": code, "text": "", "remedy": ""} for code in codes]
    verdict = {"state": state, "passed": False, "reasons": reasons}
    rows = [request(0, 1), SummaryRecord(1, {"verdict": verdict})]
    return words(plots.throughput(run_of(tmp_path, rows)))


def test_a_run_that_is_not_valid_says_so_in_its_heading(tmp_path):
    text = judged(tmp_path, "invalid", "generator_late", "clock_jumped", "too_few_samples")
    assert "INVALID\ngenerator_late, clock_jumped" in text
    assert "too_few_samples" not in text
    assert "INCONCLUSIVE\nunsteady" in judged(tmp_path, "inconclusive", "unsteady")
    assert "VALID" not in judged(tmp_path, "valid", "all_failed")


@pytest.mark.parametrize(
    "verdict",
    [None, 3, {}, {"state": "odd"}, {"state": "invalid"}, {"state": "invalid", "reasons": [1, {}]}],
)
def test_a_verdict_of_another_version_does_no_harm(tmp_path, verdict):
    rows = [request(0, 1), SummaryRecord(1, {"verdict": verdict})]
    assert "burst: throughput" in words(plots.throughput(run_of(tmp_path, rows)))
