"""Graphs, and the numbers they are drawn from."""

from pathlib import Path

import matplotlib as mpl
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

from asyncload.errors import ConfigError, LogError
from asyncload.records.columns import read_columns
from asyncload.records.record import Level, Note, Record
from asyncload.report.plots import data as plot_run
from asyncload.report.plots import run_plots as plots
from asyncload.report.plots import style as plot_style
from tests.report import believable_log as believable
from tests.report.records import job, request, run_of, words

pytestmark = pytest.mark.slow

ALL = ["throughput", "request_latency", "job_latency", "backlog", "latency_distribution"]
once_a_file = settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_is_a_picture(path: Path, *, panels: int = 1) -> None:
    pixels = imread(path)
    assert pixels.shape[1] == 1500
    assert pixels.shape[0] >= 840
    assert (pixels.shape[0] > 840) == (panels > 1)
    dark = pixels[..., :3].mean(axis=2) < 0.5
    assert 0.002 < dark.mean() < 0.5
    margin = 4  # nothing is cut off at the edges
    assert not dark[:margin].any()
    assert not dark[-margin:].any()
    assert not dark[:, :margin].any()
    assert not dark[:, -margin:].any()


@pytest.fixture(scope="module")
def burst() -> list[Record]:
    return believable.burst_jobs(np.random.default_rng(3))


# --- pictures -----------------------------------------------------------------------------------


def test_a_run_of_jobs_gets_every_graph(tmp_path, burst):
    path = believable.write(
        tmp_path / "run.jsonl", [believable.header(), *believable.finish(burst)]
    )
    written = plots.plot_log(path, tmp_path / "plots" / "new")
    assert written == [tmp_path / "plots" / "new" / f"{name}.png" for name in ALL]
    for picture in written:
        assert_is_a_picture(picture)


def test_a_run_without_jobs_gets_no_graph_of_jobs(tmp_path):
    rng = np.random.default_rng(1)
    records = believable.finish(believable.http_requests(rng, 20, stall=(8, 2)))
    path = believable.write(
        tmp_path / "run.jsonl", [believable.header(scenarios={"http": "closed"}), *records]
    )
    written = plots.plot_log(path, tmp_path)
    assert [picture.stem for picture in written] == [
        "throughput", "request_latency", "stages", "backlog", "latency_distribution",
    ]  # fmt: skip
    for picture in written:
        assert_is_a_picture(picture)


def test_each_scenario_has_a_panel_of_its_own(tmp_path, burst):
    rng = np.random.default_rng(1)
    records = believable.finish(burst + believable.http_requests(rng, 30))
    header = believable.header(scenarios={"jobs": "open", "http": "open"})
    path = believable.write(tmp_path / "run.jsonl", [header, *records])
    for picture in plots.plot_log(path, tmp_path):
        both = picture.stem in {"throughput", "request_latency", "backlog"}
        assert_is_a_picture(picture, panels=2 if both else 1)


def test_three_records_are_enough_for_pictures(tmp_path):
    rows = [believable.header(), request(0, 0.1), request(0.2, 0.5), job(0.1, 0.6, accepted=0.2)]
    for picture in plots.plot_log(believable.write(tmp_path / "run.jsonl", rows), tmp_path):
        pixels = imread(picture)
        assert pixels[..., :3].min() < 0.5


@pytest.mark.parametrize("outcome", ["ok", "failed", "timeout", "dropped"])
def test_a_single_instant_request_divides_nothing_by_zero(tmp_path, outcome):
    path = believable.write(tmp_path / "run.jsonl", [request(0, 0, outcome)])
    assert tmp_path / "throughput.png" in plots.plot_log(path, tmp_path)


def test_names_that_no_font_or_formula_can_show_do_no_harm(tmp_path):
    names = ["$x^{$", "_hidden", "日本語", "a\nb\x00", "", "long " * 40]
    rows = [request(i, i + 0.5, name=name, scenario=name) for i, name in enumerate(names)]
    path = believable.write(tmp_path / "run.jsonl", [believable.header("$_{$" * 50), *rows])
    assert len(plots.plot_log(path, tmp_path)) == 3


def test_svg_is_drawn_when_asked_for(tmp_path):
    path = believable.write(tmp_path / "run.jsonl", [request(0, 1), request(1, 2)])
    for picture in plots.plot_log(path, tmp_path, format="svg"):
        assert picture.suffix == ".svg"
        assert "<svg" in picture.read_text()


def test_graphs_of_another_run_do_not_stay_beside_those_of_this_one(tmp_path, burst):
    plots.plot_log(believable.write(tmp_path / "jobs.jsonl", burst), tmp_path)
    (tmp_path / "job_latency.svg").write_text("older")
    (tmp_path / "throughput.svg").write_text("of the other format")
    (tmp_path / "mine.png").write_text("not ours")
    http = believable.write(tmp_path / "http.jsonl", [request(0, 1), request(1, 2)])
    plots.plot_log(http, tmp_path)
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".jsonl"} == {
        "throughput.png", "throughput.svg", "request_latency.png", "latency_distribution.png",
        "mine.png",
    }  # fmt: skip


def test_pyplot_is_not_touched(tmp_path):
    before = dict(mpl.rcParams)
    path = believable.write(tmp_path / "run.jsonl", [request(0, 1), request(1, 2)])
    plots.plot_log(path, tmp_path)
    assert dict(mpl.rcParams) == before


# --- headings and legends -----------------------------------------------------------------------


def test_a_killed_run_says_so_and_a_finished_one_does_not(tmp_path):
    killed = plots.throughput(run_of(tmp_path, [request(0, 1)]))
    assert "run not finished" in words(killed)
    finished = plots.throughput(run_of(tmp_path, believable.finish([request(0, 1)])))
    assert "run not finished" not in words(finished)
    assert "2025-03-04 09:30:00 UTC  ·  1 s  ·  seed 7" in words(finished)
    assert "burst: throughput" in words(finished)


def test_jobs_and_requests_are_told_apart_in_the_legend(tmp_path):
    rows = [request(0, 1), job(0, 2), job(1, 3, "FAILED")]
    text = words(plots.throughput(run_of(tmp_path, rows)))
    for label in (
        "request arrivals",
        "requests completed",
        "job arrivals",
        "jobs completed",
        "jobs failed",
    ):
        assert label in text
    assert "requests failed" not in text
    assert "dropped" not in text


def test_warnings_and_errors_stand_in_the_graphs_and_other_notes_do_not(tmp_path):
    notes = [
        Note(1, "info", "i"),
        Note(2, "warning", "w"),
        Note(3, "warning", "w"),
        Note(4, "error", "e"),
    ]
    run = run_of(tmp_path, [request(0, 10), job(0, 10), Level(1, "web", 1, 1, 1, 0), *notes])
    for plot in (plots.throughput, plots.request_latency, plots.job_latency, plots.backlog):
        text = words(plot(run))
        assert "warning noted (2)" in text
        assert "error noted" in text
        assert "info" not in text


def test_a_target_in_users_gets_an_axis_of_its_own_beside_rates(tmp_path):
    rows = [request(0, 1), Level(1, "web", 5, 5, 5, 0)]
    closed = plots.throughput(run_of(tmp_path, rows, models={"web": "closed"}))
    assert [ax.get_ylabel() for ax in closed.axes] == ["per second", "target users"]
    opened = plots.throughput(run_of(tmp_path, rows, models={"web": "open"}))
    assert [ax.get_ylabel() for ax in opened.axes] == ["per second"]


@pytest.mark.parametrize(
    ("span", "expected"),
    [(0, "0 s"), (0.35, "0.35 s"), (59, "59 s"), (320, "5 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_time_spans_are_written_in_words(span, expected):
    assert plot_style.duration(span) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [(0.9, 0.1), (60, 5), (61, 10), (100, 10), (200, 20), (300, 30), (900, 2), (3600, 5), (86_400, 2)],
)  # fmt: skip
def test_ticks_stand_at_multiples_that_suit_periods(span, expected, tmp_path):
    ax, *_ = plots.throughput(run_of(tmp_path, [request(0, span)])).axes
    assert np.diff(ax.get_xticks()) == pytest.approx(expected)


def test_iterations_in_flight_are_a_number_where_their_line_would_lie_on_the_axis(tmp_path):
    backlog = [Level(t, "jobs", 1, 1, t % 2, 10 + t) for t in range(10)]
    few = plots.backlog(run_of(tmp_path, [job(0, 9), *backlog]))
    assert "iterations in flight when sampled: at most 1" in words(few)
    assert few.axes[0].get_ylabel() == "jobs"
    many = plots.backlog(run_of(tmp_path, [job(0, 9), *backlog, Level(10, "jobs", 1, 1, 9, 20)]))
    assert "at most" not in words(many)
    assert len(many.axes[0].get_lines()) == len(few.axes[0].get_lines()) + 1


def test_a_thin_line_leads_across_bins_in_which_no_job_was_due(tmp_path):
    due = [*np.linspace(0, 99, 300), *np.linspace(200, 299, 300)]
    figure = plots.job_latency(run_of(tmp_path, [job(t, t + 1) for t in map(float, due)]))
    bridge, p95 = figure.axes[0].get_lines()
    assert np.isnan(p95.get_ydata()).any()
    assert np.isfinite(bridge.get_ydata()).all()
    whole = figure.axes[0].get_legend().get_texts()
    assert [text.get_text() for text in whole].count("p95 of the whole") == 1


# --- damaged and wrong files --------------------------------------------------------------------


@once_a_file
@given(cut=st.integers(1, 3000))
def test_a_log_cut_at_any_byte_still_gives_a_graph(cut, tmp_path, burst):
    lines = msgspec.json.Encoder().encode_lines(
        [believable.header(), *believable.finish(burst[:12])]
    )
    first = lines.index(b"\n", lines.index(b"\n") + 1)
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines[: min(len(lines) - 2, first + cut)])
    run = plot_run.run_of(read_columns(path))
    assert not run.finished
    figure = plots.throughput(run)
    assert ("skipped" in words(figure)) == (run.skipped > 0)


def test_a_garbage_line_in_the_middle_is_counted_in_the_subtitle(tmp_path):
    encode = msgspec.json.encode
    path = tmp_path / "run.jsonl"
    path.write_bytes(encode(request(0, 1)) + b"\n#garbage#\n" + encode(request(2, 3)) + b"\n")
    figure = plots.throughput(plot_run.run_of(read_columns(path)))
    assert "1 line of the log skipped" in words(figure)
    assert "run.jsonl: throughput" in words(figure)


def test_a_log_without_requests_and_jobs_has_nothing_to_plot(tmp_path):
    path = believable.write(
        tmp_path / "run.jsonl", [believable.header(), Level(1, "web", 1, 1, 1, 0)]
    )
    with pytest.raises(LogError, match=r"nothing to plot in .*run\.jsonl"):
        plots.plot_log(path, tmp_path / "plots")
    assert not (tmp_path / "plots").exists()


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="the format 'gif' is unknown; choose png or svg"):
        plots.plot_log(tmp_path / "run.jsonl", tmp_path, format="gif")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    path = believable.write(tmp_path / "run.jsonl", [request(0, 1)])
    with pytest.raises(
        ConfigError, match=r"cannot write graphs to .*run\.jsonl.*choose another folder"
    ):
        plots.plot_log(path, path / "plots")
